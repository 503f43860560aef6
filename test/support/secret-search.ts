/** Long enough that no text holds it by chance, short enough that a cut-off secret is still found. */
const PART = 16;

interface Needle {
  readonly secret: string;
  readonly form: string;
  readonly text: string;
}

/** Looks for secrets in texts: plain, as JSON, URL, hex and base64 write them, whole or their first or last 16 characters. */
export class SecretSearch {
  private readonly needles: readonly Needle[];

  /** The secrets by the names that they are reported by. */
  constructor(secrets: Readonly<Record<string, string>>) {
    this.needles = Object.entries(secrets).flatMap(([secret, value]) => needlesOf(secret, value));
  }

  /** What was found, such as `admin in base64`; never the secret itself. */
  find(text: string): string[] {
    const found = this.needles.filter((needle) => text.includes(needle.text));
    return [...new Set(found.map(({ secret, form }) => `${secret} in ${form}`))];
  }
}

function needlesOf(secret: string, value: string): Needle[] {
  if (value.length < PART) throw new Error(`${secret} is too short to be looked for`);
  return [value.slice(0, PART), value.slice(-PART)].flatMap((part) => {
    const bytes = Buffer.from(part, 'utf8');
    const hex = bytes.toString('hex');
    const forms = {
      plain: [part],
      JSON: [JSON.stringify(part).slice(1, -1)],
      URL: [encodeURIComponent(part)],
      hex: [hex, hex.toUpperCase()],
      base64: base64InsideOf(bytes),
    };
    return Object.entries(forms).flatMap(([form, texts]) =>
      texts.filter((text) => form === 'plain' || text !== part).map((text) => ({ secret, form, text })),
    );
  });
}

/** How base64 of any larger text shows these bytes: they begin at one of three places in a group, and share a digit with each neighbour. */
function base64InsideOf(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((shift) => {
    const digits = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    const [from, to] = [Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6)];
    const inside = digits.slice(from, to);
    return [inside, inside.replaceAll('+', '-').replaceAll('/', '_')];
  });
}
