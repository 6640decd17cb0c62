/** The little XML that an adapter needs: to write a value into a document, and to find one in it. */

const ESCAPED: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};
const PREDEFINED: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** What is skipped, by how it begins and how it ends. */
const SKIPPED = [
  ["<!--", "-->"],
  ["<?", "?>"],
] as const;
const CDATA = ["<![CDATA[", "]]>"] as const;
/** A start tag with its attributes, whose values may hold a `>`; an end tag; text; a reference. */
const START = /<([^\s/>!?"'=]+)((?:"[^"]*"|'[^']*'|[^"'>])*?)(\/?)>/y;
const END = /<\/([^\s>]+)\s*>/y;
const TEXT = /[^<&]+/y;
const REFERENCE = /&([^;<&]+);/y;

/** A text as it may stand in an element or an attribute. */
export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPED[character] ?? character);
}

/**
 * The text of the first element at the end of `path`, which may begin anywhere: `Fault/faultcode`. Prefixes of
 * names say nothing here. `undefined` when there is none before the document ends or breaks off; an element
 * that holds only others has an empty text. Entities that a document declares itself are not known.
 */
export function find(document: string, path: string): string | undefined {
  try {
    return new Search(document, path.split("/")).run();
  } catch (error) {
    if (error instanceof NoDocument) {
      return undefined;
    }
    throw error;
  }
}

/** The document breaks off, or is none. */
class NoDocument extends Error {}

class Search {
  #at = 0;
  /** The names of the elements that are open, prefixes and all. */
  readonly #open: string[] = [];
  /** The element that was looked for: how deep it is, and its text so far. */
  #found: { depth: number; text: string } | undefined;

  constructor(
    readonly document: string,
    readonly wanted: string[],
  ) {}

  run(): string | undefined {
    while (this.#at < this.document.length) {
      if (this.#step()) {
        return this.#found?.text.trim();
      }
    }
    return undefined;
  }

  /** Reads one piece; `true` when the element that was looked for ends with it. */
  #step(): boolean {
    const cdata = this.#between(...CDATA);
    if (cdata !== undefined) {
      this.#add(cdata);
      return false;
    }
    if (this.#skips()) {
      return false;
    }
    const start = this.#take(START);
    if (start !== undefined) {
      return this.#start(start[1] ?? "", start[3] === "/");
    }
    const end = this.#take(END);
    if (end !== undefined) {
      return this.#end(end[1] ?? "");
    }
    const reference = this.#take(REFERENCE);
    const text = reference === undefined ? this.#take(TEXT)?.[0] : resolved(reference[1] ?? "");
    if (text === undefined) {
      throw new NoDocument();
    }
    this.#add(text);
    return false;
  }

  #start(name: string, isEmpty: boolean): boolean {
    this.#open.push(name);
    if (this.#found === undefined && this.#isWanted()) {
      this.#found = { depth: this.#open.length, text: "" };
    }
    return isEmpty && this.#end(name);
  }

  #end(name: string): boolean {
    const isFound = this.#found?.depth === this.#open.length;
    if (this.#open.pop() !== name) {
      throw new NoDocument();
    }
    return isFound;
  }

  #isWanted(): boolean {
    const tail = this.#open.slice(-this.wanted.length).map((name) => name.slice(name.indexOf(":") + 1));
    return tail.length === this.wanted.length && tail.every((name, place) => name === this.wanted[place]);
  }

  /** Text of the element itself, and not of those in it. */
  #add(text: string): void {
    if (this.#found?.depth === this.#open.length) {
      this.#found.text += text;
    }
  }

  #skips(): boolean {
    if (SKIPPED.some(([from, to]) => this.#between(from, to) !== undefined)) {
      return true;
    }
    if (!this.document.startsWith("<!", this.#at)) {
      return false;
    }
    // A document type may hold declarations of its own.
    let depth = 0;
    do {
      const character = this.document[this.#at++];
      if (character === undefined) {
        throw new NoDocument();
      }
      depth += character === "<" ? 1 : character === ">" ? -1 : 0;
    } while (depth > 0);
    return true;
  }

  #between(from: string, to: string): string | undefined {
    if (!this.document.startsWith(from, this.#at)) {
      return undefined;
    }
    const begin = this.#at + from.length;
    const end = this.document.indexOf(to, begin);
    if (end < 0) {
      throw new NoDocument();
    }
    this.#at = end + to.length;
    return this.document.slice(begin, end);
  }

  #take(piece: RegExp): RegExpExecArray | undefined {
    piece.lastIndex = this.#at;
    const taken = piece.exec(this.document) ?? undefined;
    this.#at = taken === undefined ? this.#at : piece.lastIndex;
    return taken;
  }
}

/** `&#33;` and `&#x21;`, and the five names that every document knows. */
function resolved(reference: string): string | undefined {
  const [, hexadecimal, decimal] = /^#(?:x([0-9a-fA-F]+)|([0-9]+))$/.exec(reference) ?? [];
  if (hexadecimal === undefined && decimal === undefined) {
    return Object.hasOwn(PREDEFINED, reference) ? PREDEFINED[reference] : undefined;
  }
  const code = hexadecimal === undefined ? Number(decimal) : Number.parseInt(hexadecimal, 16);
  const isCharacter = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return isCharacter ? String.fromCodePoint(code) : undefined;
}
