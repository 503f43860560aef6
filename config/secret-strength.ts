const MIN_LENGTH = 16;
const MAX_LENGTH = 1024;
/** A random secret of 16 characters has more; `aaaaaaaaaaaaaaaa` or `abababababababab` do not. */
const MIN_DISTINCT = 5;

/** Words that examples, templates and vendors' defaults are made of. A secret of nothing else was never chosen. */
const PLACEHOLDER_WORDS =
  'change|changed|me|replace|placeholder|insert|enter|put|set|fill|in|here|todo|fixme|my|your|our|the|a|this|is|some|very|super|' +
  'strong|secure|long|random|new|old|default|dev|test|testing|prod|production|staging|sample|example|demo|dummy|fake|' +
  'pass|passwd|password|pwd|secret|token|key|auth|login|admin|root|user|operator|replication|app|redis|redisforge|valkey|' +
  'foobar|foobared|foo|bar|baz|qwerty|qwertz|letmein|welcome|abc|xyz|xxx|x';

const ONLY_PLACEHOLDER_WORDS = new RegExp(`^(?:${PLACEHOLDER_WORDS}|[^a-z])+$`);
const MARKS = /change[^a-z]*me|replace[^a-z]*me|placeholder|foobared/;
const DIGITS_FOR_LETTERS: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
};
const SIGNS_FOR_LETTERS: Readonly<Record<string, string>> = { $: 's', '@': 'a' };

/** Why a secret is refused, to be read after its reference ("… is empty"); `null` for one that may be used. Never holds the secret. */
export function weaknessOf(secret: string): string | null {
  if (secret === '') return 'is empty';
  if (looksLikePlaceholder(secret)) return 'looks like a placeholder';
  if (secret.length < MIN_LENGTH) return `is shorter than ${MIN_LENGTH} characters`;
  if (secret.length > MAX_LENGTH) return `is longer than ${MAX_LENGTH} characters`;
  if (new Set(secret).size < MIN_DISTINCT) return 'repeats a few characters';
  if (isSequence(secret)) return 'is a sequence';
  return null;
}

function looksLikePlaceholder(secret: string): boolean {
  const text = secret.trim();
  if (/^<.*>$/s.test(text) || /^\$?\{.*\}$/s.test(text)) return true;
  return [text, text.replace(/[013457$@]/g, (sign) => DIGITS_FOR_LETTERS[sign] ?? SIGNS_FOR_LETTERS[sign] ?? sign)]
    .map((spelling) => spelling.toLowerCase())
    .some((spelling) => MARKS.test(spelling) || (/[a-z]/.test(spelling) && ONLY_PLACEHOLDER_WORDS.test(spelling)));
}

/** `1234567890123456` and the like: each character follows the one before it. */
function isSequence(secret: string): boolean {
  const steps = [...secret].slice(1).map((character, i) => character.charCodeAt(0) - secret.charCodeAt(i));
  const regular = steps.filter((step) => step === 1 || step === -9).length;
  return regular === steps.length;
}
