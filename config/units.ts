/** Sizes as redis.conf writes them: `k` is 1000 and `kb` 1024 bytes, and so on. */
const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1000 ** 2,
  mb: 1024 ** 2,
  g: 1000 ** 3,
  gb: 1024 ** 3,
};

const DURATION_UNITS: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** How sizes and durations are written; whether the number is one that can be counted with, only parsing tells. */
export const SIZE_TEXT = quantityText(SIZE_UNITS);
export const DURATION_TEXT = quantityText(DURATION_UNITS);

/** Bytes, or `null` where the text is no size. */
export function parseSize(text: string): number | null {
  return parseQuantity(text, SIZE_UNITS);
}

/** Milliseconds, or `null` where the text is no duration. */
export function parseDuration(text: string): number | null {
  return parseQuantity(text, DURATION_UNITS);
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | null {
  const match = /^(\d{1,15})\s*([a-z]*)$/i.exec(text.trim());
  const unit = units[match?.[2]?.toLowerCase() ?? 'none'];
  if (match?.[1] === undefined || unit === undefined) return null;
  const quantity = Number(match[1]) * unit;
  return Number.isSafeInteger(quantity) ? quantity : null;
}

/** Without flags, which a JSON Schema cannot carry. */
function quantityText(units: Readonly<Record<string, number>>): RegExp {
  const anyCase = (unit: string) => unit.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
  return new RegExp(`^\\s*\\d{1,15}\\s*(${Object.keys(units).map(anyCase).join('|')})\\s*$`);
}
