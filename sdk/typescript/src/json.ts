/**
 * JSON, with whole numbers as they were written. A JavaScript number holds whole numbers up to 2^53; a
 * larger one, such as an IMSI that somebody wrote without quotes, is a `bigint` here and never damaged.
 */

/** A JSON value. */
export type Json = null | boolean | number | bigint | string | Json[] | JsonObject;

/** A JSON object. A member that is `undefined` is not there. */
export type JsonObject = { [name: string]: Json | undefined };

/** Only a document with so many digits in a row can hold a number that is too large. */
const MAY_BE_LARGE = /\d{16}/;
const TOKEN = /\s*([{}[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}[\],:"]+)/y;

/**
 * Reads a JSON document.
 *
 * @throws SyntaxError when it is none.
 */
export function parseJson(text: string): Json {
  const plain = JSON.parse(text) as Json;
  return MAY_BE_LARGE.test(text) ? new Reader(text).value() : plain;
}

/** Reads a JSON document; `undefined` when it is none. */
export function tryParseJson(text: string): Json | undefined {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/** Writes a JSON document. What JSON has no word for is `null`; a member that is `undefined` is left out. */
export function printJson(value: Json | undefined): string {
  if (typeof value === "bigint") {
    return value.toString();
  }
  if (Array.isArray(value)) {
    return `[${value.map(printJson).join(",")}]`;
  }
  if (isObject(value)) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${printJson(member)}`).join(",")}}`;
  }
  return JSON.stringify(value ?? null);
}

/** Whether it is an object, and neither a list nor `null`. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * What stands in objects within objects: `member(document, "customer", "name")`. `undefined` when one of them
 * is not there, or is no object.
 */
export function member(value: Json | undefined, ...names: string[]): Json | undefined {
  let found = value;
  for (const name of names) {
    found = isObject(found) && Object.hasOwn(found, name) ? found[name] : undefined;
  }
  return found;
}

/** As {@link member}, where a text stands. */
export function textOf(value: Json | undefined, ...names: string[]): string | undefined {
  const found = member(value, ...names);
  return typeof found === "string" ? found : undefined;
}

/** Whether two values are the same as JSON. The order of an object's members says nothing. */
export function isEqual(left: Json | undefined, right: Json | undefined): boolean {
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((element, place) => isEqual(element, right[place]));
  }
  if (isObject(left) && isObject(right)) {
    const names = new Set([...Object.keys(left), ...Object.keys(right)]);
    return [...names].every((name) => isEqual(member(left, name), member(right, name)));
  }
  return left === right;
}

/** As it is now, whatever becomes of it. */
export function copied<T extends Json>(value: T): T {
  return parseJson(printJson(value)) as T;
}

/** Reads a text that is known to be JSON. */
class Reader {
  #at = 0;

  constructor(readonly text: string) {}

  value(): Json {
    const token = this.#token();
    if (token === "{") {
      return this.#object();
    }
    if (token === "[") {
      return this.#list();
    }
    return /^[-\d]/.test(token) ? number(token) : (JSON.parse(token) as Json);
  }

  #object(): JsonObject {
    const members: [string, Json][] = [];
    let token = this.#token();
    while (token !== "}") {
      if (token === ",") {
        token = this.#token();
      }
      this.#token(); // The colon.
      members.push([JSON.parse(token) as string, this.value()]);
      token = this.#token();
    }
    return Object.fromEntries(members);
  }

  #list(): Json[] {
    const elements: Json[] = [];
    if (this.#peek() === "]") {
      this.#token();
      return elements;
    }
    do {
      elements.push(this.value());
    } while (this.#token() === ",");
    return elements;
  }

  #token(): string {
    TOKEN.lastIndex = this.#at;
    const token = TOKEN.exec(this.text)?.[1] ?? "";
    this.#at = TOKEN.lastIndex;
    return token;
  }

  #peek(): string {
    const at = this.#at;
    const token = this.#token();
    this.#at = at;
    return token;
  }
}

function number(token: string): number | bigint {
  const value = Number(token);
  const isWhole = /^-?\d+$/.test(token);
  return isWhole && !Number.isSafeInteger(value) ? BigInt(token) : value;
}
