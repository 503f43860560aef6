/** Characters that redis.conf and the ACL file take as they are, in any place. */
const PLAIN = /^[A-Za-z0-9_.:/@%+=,-]+$/;

const ESCAPES: Readonly<Record<string, string>> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** One argument of a redis.conf line, safe for any text: Redis's own double-quoted form, with every byte outside printable ASCII as `\xHH`. */
export function confValue(text: string): string {
  if (PLAIN.test(text)) return text;
  const escaped = [...Buffer.from(text, 'utf8')].map((byte) => {
    const character = String.fromCharCode(byte);
    return ESCAPES[character] ?? (byte >= 0x20 && byte < 0x7f ? character : `\\x${byte.toString(16).padStart(2, '0')}`);
  });
  return `"${escaped.join('')}"`;
}
