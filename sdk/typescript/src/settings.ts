/**
 * A group's configuration, read member by member. All that is wrong is noted, each with its place, and so is
 * whatever nobody asked for.
 *
 * ```ts
 * const { value, problems } = Settings.read(config, (settings) => ({
 *   name: settings.required("name", "what is to be made?", text),
 *   seconds: settings.or("seconds", 30, number(1, 86_400)),
 * }));
 * ```
 */

import { isObject, type Json, type JsonObject } from "./json.ts";
import type { Problem } from "./types.ts";

/** Reads one member. */
export interface Reader<T> {
  /** What stands for a member that is missing or wrong, until all that is wrong has been noted. */
  blank: T;
  /**
   * What the member says.
   *
   * @throws Wrong with what it must be.
   */
  read(value: Json): T;
}

/** A member is not what it must be. */
export class Wrong extends Error {}

/** What was read, or else all that is wrong with it. */
export type Read<T> = { value: T; problems: [] } | { value: undefined; problems: Problem[] };

/** An object of a configuration. Whoever reads a member says that it is known. */
export class Settings {
  readonly #at: string;
  /** `undefined`: it is no object, which is noted, and nothing more is said of it. */
  readonly #members: JsonObject | undefined;
  readonly #known = new Set<string>();
  readonly #problems: Problem[];

  private constructor(at: string, value: Json, problems: Problem[]) {
    this.#at = at;
    this.#members = isObject(value) ? value : undefined;
    this.#problems = problems;
  }

  /** Reads a whole configuration. When something is wrong with it, what `read` made of the rest is dropped. */
  static read<T>(config: Json, read: (settings: Settings) => T): Read<T> {
    const problems: Problem[] = [];
    const value = Settings.#object("", config, problems, read);
    return problems.length === 0 ? { value, problems: [] } : { value: undefined, problems };
  }

  /** A member that may be left out. */
  optional<T>(name: string, reader: Reader<T>): T | undefined {
    const member = this.#member(name);
    if (member === undefined) {
      return undefined;
    }
    try {
      return reader.read(member);
    } catch (error) {
      if (!(error instanceof Wrong)) {
        throw error;
      }
      this.note(name, error.message);
      return undefined;
    }
  }

  /** A member that has a default. */
  or<T>(name: string, otherwise: T, reader: Reader<T>): T {
    return this.optional(name, reader) ?? otherwise;
  }

  /** A member that must be there; `why` is said where it is missing. */
  required<T>(name: string, why: string, reader: Reader<T>): T {
    const value = this.optional(name, reader);
    if (this.#members !== undefined && this.#member(name) === undefined) {
      this.note(name, `is missing: ${why}`);
    }
    return value ?? reader.blank;
  }

  /** A member that is an object itself. */
  table<T>(name: string, read: (settings: Settings) => T): T | undefined {
    const member = this.#member(name);
    const at = pointer(this.#at, name);
    return member === undefined ? undefined : Settings.#object(at, member, this.#problems, read);
  }

  /** A member that is an object of objects, by names of the operator's choosing. */
  tables<T>(name: string, read: (settings: Settings) => T): Map<string, T> {
    const member = this.#member(name);
    if (member !== undefined && !isObject(member)) {
      this.note(name, "must be an object");
    }
    const at = pointer(this.#at, name);
    const members = isObject(member) ? Object.entries(member) : [];
    return new Map(
      members.map(([key, value]) => {
        return [key, Settings.#object(pointer(at, key), value ?? null, this.#problems, read)];
      }),
    );
  }

  /** Notes what is wrong with a member, or with this object when the name is empty. */
  note(name: string, message: string): void {
    this.#problems.push({ at: name === "" ? this.#at : pointer(this.#at, name), message });
  }

  #member(name: string): Json | undefined {
    this.#known.add(name);
    return this.#members !== undefined && Object.hasOwn(this.#members, name)
      ? this.#members[name]
      : undefined;
  }

  static #object<T>(at: string, value: Json, problems: Problem[], read: (settings: Settings) => T): T {
    const noted = problems.length;
    const settings = new Settings(at, value, problems);
    const made = read(settings);
    if (settings.#members === undefined) {
      // Whatever else was noted follows from it.
      problems.length = noted;
      settings.note("", "must be an object");
      return made;
    }
    for (const name of Object.keys(settings.#members)) {
      if (!settings.#known.has(name)) {
        settings.note(name, "is no setting of this adapter");
      }
    }
    return made;
  }
}

/** Text that is not empty. */
export const text: Reader<string> = {
  blank: "",
  read(value) {
    if (typeof value !== "string" || value === "") {
      throw new Wrong("must be text, and not empty");
    }
    return value;
  },
};

/** A list of such texts that is not empty itself. */
export const texts: Reader<string[]> = {
  blank: [],
  read(value) {
    const list = Array.isArray(value) ? value : [];
    if (list.length === 0 || !list.every((element) => typeof element === "string" && element !== "")) {
      throw new Wrong("must be a list of texts, and not empty");
    }
    return list as string[];
  },
};

/** Texts by names of the operator's choosing, one at least. */
export const textsByName: Reader<Map<string, string>> = {
  blank: new Map(),
  read(value) {
    const members = isObject(value) ? Object.entries(value) : [];
    if (members.length === 0 || !members.every(([, member]) => typeof member === "string")) {
      throw new Wrong("must be an object of texts, and not empty");
    }
    return new Map(members as [string, string][]);
  },
};

/** `true` or `false`. */
export const flag: Reader<boolean> = {
  blank: false,
  read(value) {
    if (typeof value !== "boolean") {
      throw new Wrong("must be true or false");
    }
    return value;
  },
};

/** A JSON pointer into one of these documents: what an adapter does not read it cannot point into. */
export function document(queries: readonly string[]): Reader<string> {
  return {
    blank: "",
    read(value) {
      const [before, query] = text.read(value).split("/");
      if (before !== "" || query === undefined || !queries.includes(query)) {
        const names = queries.map((name) => `/${name}`).join(" or ");
        throw new Wrong(`must begin with ${names}: there are no other documents`);
      }
      return value as string;
    },
  };
}

/** A whole number within these bounds. */
export function number(min: number, max: number): Reader<number> {
  return {
    blank: min,
    read(value) {
      if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
        throw new Wrong(`must be a whole number from ${min} to ${max}`);
      }
      return value;
    },
  };
}

/** One of these words. */
export function word<const T extends string>(...words: [T, ...T[]]): Reader<T> {
  return {
    blank: words[0],
    read(value) {
      const known = words.find((one) => one === value);
      if (known === undefined) {
        throw new Wrong(`must be ${words.join(" or ")}`);
      }
      return known;
    },
  };
}

/** The JSON pointer to a member of what is at `at`. */
function pointer(at: string, name: string): string {
  return `${at}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
