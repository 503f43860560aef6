/**
 * Characters that a terminal, a log or a page takes for more than text: control characters (line feed and tab apart), lone surrogates, and those that are
 * invisible or turn the direction of what follows.
 */
const UNPRINTABLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/**
 * Text of somebody else's, as it may be shown and logged: what a terminal would act on is written out, `\u001b`, as in JSON. Line feeds and tabs stay; text
 * without anything to write out is given back as it is.
 */
export function visible(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** As `visible`, on one line. */
export function visibleLine(text: string): string {
  return visible(text).replace(/[\n\t]/g, (character) => (character === '\n' ? '\\n' : '\\t'));
}

/** Words of a person, as a record that has a field a line keeps them: what would break the line is a blank. */
export function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').trim();
}
