/** A command for the wire: its name and arguments. */
export type Words = readonly (string | number | Buffer)[];

/** A refusal of one command, in the server's words. */
export class RefusedReply extends Error {
  override readonly name = 'RefusedReply';
}

/** A peer that speaks, and not RESP2. */
export class NotResp extends Error {
  override readonly name = 'NotResp';
}

const CR = 13;
const LF = 10;
const ZERO = 48;
/** Signs of an array and of a text. */
const ARRAY = 42;
const TEXT = 36;
/** No answer to a command of ours has as many arrays in one another; deeper ones would be too deep for whoever walks through them. */
const DEEPEST = 32;
/** Below it a text is as many bytes as it has characters. */
const NOT_ASCII = 128;

/** As RESP2 has them (https://redis.io/docs/latest/develop/reference/protocol-spec/), one behind the other, for one write. */
export function encodeCommands(commands: readonly Words[]): Buffer {
  let size = 0;
  for (const words of commands) {
    size += headSize(words.length);
    for (const word of words) size += sizeOf(word);
  }
  const buffer = Buffer.allocUnsafe(size);
  let at = 0;
  for (const words of commands) {
    at = writeHead(buffer, ARRAY, words.length, at);
    for (const word of words) at = writeWord(buffer, word, at);
  }
  return buffer;
}

function sizeOf(word: string | number | Buffer): number {
  const bytes = typeof word === 'number' ? String(word).length : Buffer.byteLength(word);
  return headSize(bytes) + bytes + 2;
}

/** Of `*3\r\n`. */
function headSize(length: number): number {
  let digits = 1;
  for (let left = length; left >= 10; left = Math.floor(left / 10)) digits += 1;
  return digits + 3;
}

/** Byte by byte: calls of the buffer's own methods cost more than the few bytes themselves. */
function writeHead(buffer: Buffer, sign: number, length: number, from: number): number {
  const end = from + headSize(length);
  buffer[from] = sign;
  let left = length;
  for (let at = end - 3; at > from; at -= 1) {
    buffer[at] = ZERO + (left % 10);
    left = Math.floor(left / 10);
  }
  return writeEnd(buffer, end - 2);
}

function writeEnd(buffer: Buffer, at: number): number {
  buffer[at] = CR;
  buffer[at + 1] = LF;
  return at + 2;
}

function writeWord(buffer: Buffer, word: string | number | Buffer, from: number): number {
  if (Buffer.isBuffer(word)) {
    const at = writeHead(buffer, TEXT, word.length, from);
    return writeEnd(buffer, at + word.copy(buffer, at));
  }
  const text = typeof word === 'number' ? String(word) : word;
  const at = writeHead(buffer, TEXT, Buffer.byteLength(text), from);
  return writeEnd(buffer, writeText(buffer, text, at));
}

function writeText(buffer: Buffer, text: string, from: number): number {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code >= NOT_ASCII) return from + buffer.write(text, from);
    buffer[from + i] = code;
  }
  return from + text.length;
}

/** What a reply consists of: a text is a Buffer, a refusal a RefusedReply. */
export type Value = Buffer | number | null | RefusedReply | Value[];

interface OpenArray {
  readonly items: Value[];
  readonly length: number;
}

/** Reads replies from the bytes as they come, in whatever pieces. What was read of an unfinished reply is not read again. */
export class ReplyReader {
  readonly #arrays: OpenArray[] = [];
  #pieces: Buffer[] = [];
  #length = 0;
  /** No use in looking before so many bytes are there. */
  #needed = 1;
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;

  /** The replies that are complete with these bytes. @throws NotResp */
  read(piece: Buffer): Value[] {
    this.#pieces.push(piece);
    this.#length += piece.length;
    if (this.#length < this.#needed) return [];
    const [only] = this.#pieces;
    this.#buffer = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces, this.#length);
    this.#at = 0;
    const replies: Value[] = [];
    for (let value = this.#next(); value !== undefined; value = this.#next()) {
      const reply = this.#placed(value);
      if (reply !== undefined) replies.push(reply);
    }
    const rest = this.#buffer.subarray(this.#at);
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    return replies;
  }

  /** A value that is no array with items; `undefined` where more bytes are needed for it. */
  #next(): Exclude<Value, Value[]> | readonly [] | undefined {
    for (;;) {
      const start = this.#at;
      const end = this.#buffer.indexOf(CR, start);
      if (end < 0 || end + 1 >= this.#buffer.length) return this.#waitFor(start, this.#buffer.length - start + 1);
      if (this.#buffer[end + 1] !== LF) throw new NotResp('Protocol error: a line without its end');
      const line = this.#buffer.toString('latin1', start + 1, end);
      const sign = String.fromCharCode(this.#buffer[start] ?? 0);
      this.#at = end + 2;
      if (sign === '*') {
        const length = lengthIn(line);
        if (length <= 0) return length < 0 ? null : [];
        if (this.#arrays.length >= DEEPEST) throw new NotResp('Protocol error: too many arrays in one another');
        this.#arrays.push({ items: [], length });
      } else if (sign === '$') {
        const length = lengthIn(line);
        if (length < 0) return null;
        if (this.#at + length + 2 > this.#buffer.length) return this.#waitFor(start, this.#at - start + length + 2);
        const text = this.#buffer.subarray(this.#at, this.#at + length);
        this.#at += length + 2;
        if (this.#buffer[this.#at - 2] !== CR || this.#buffer[this.#at - 1] !== LF) {
          throw new NotResp('Protocol error: a text that is longer than it says');
        }
        return text;
      } else return scalarOf(sign, line, this.#buffer.subarray(start + 1, end));
    }
  }

  #waitFor(start: number, needed: number): undefined {
    this.#at = start;
    this.#needed = needed;
  }

  /** Puts a value where it belongs; a reply where it is complete with it. */
  #placed(value: Exclude<Value, Value[]> | readonly []): Value | undefined {
    let whole: Value = Array.isArray(value) ? [] : (value as Exclude<Value, Value[]>);
    for (let array = this.#arrays.at(-1); array !== undefined; array = this.#arrays.at(-1)) {
      array.items.push(whole);
      if (array.items.length < array.length) return undefined;
      this.#arrays.pop();
      whole = array.items;
    }
    return whole;
  }
}

function scalarOf(sign: string, line: string, bytes: Buffer): Exclude<Value, Value[]> {
  if (sign === '+') return bytes;
  if (sign === '-') return new RefusedReply(bytes.toString('utf8'));
  if (sign === ':') return wholeIn(line);
  throw new NotResp(`Unknown RESP type: ${JSON.stringify(sign)}`);
}

function lengthIn(line: string): number {
  const length = wholeIn(line);
  if (!Number.isSafeInteger(length)) throw new NotResp(`Protocol error: a length of ${shown(line)}`);
  return length;
}

/** Numbers of 64 bits lose their last digits, as in every number of JavaScript. */
function wholeIn(line: string): number {
  if (!/^[+-]?\d{1,20}$/.test(line)) throw new NotResp(`Protocol error: a number of ${shown(line)}`);
  return Number(line);
}

function shown(line: string): string {
  return JSON.stringify(line.slice(0, 20));
}

/** As `Value`, with a string for every text. */
export function asText(value: Value): unknown {
  if (Buffer.isBuffer(value)) return value.toString('utf8');
  return Array.isArray(value) ? value.map(asText) : value;
}
