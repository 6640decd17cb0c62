/**
 * The contract's types, once: how each is handed over by the host, and how a golden case writes it.
 *
 * The host's bindings have names in camel case, a variant as `{ tag, val }`, an absent option as `null` or
 * `undefined`, and open-ended data as JSON text. A golden case has names in kebab case and the chosen variant
 * named from outside: `{ "send": … }`, `"finish"`. So has the SDK, in camel case.
 */

import { isObject, type Json, type JsonObject, parseJson, printJson } from "./json.ts";

/** One type of the contract. */
export interface Shape<T> {
  fromHost(value: unknown): T;
  /** `at` is its place, for an error. */
  toHost(value: T, at: string): unknown;
  fromCase(value: Json | undefined, at: string): T;
  /** `undefined`: it is left out. */
  toCase(value: T): Json | undefined;
}

type Members = Record<string, unknown>;
type Fields<T> = { [Name in keyof T]-?: Shape<T[Name]> };

export const text = plain<string>("a text", (value) => typeof value === "string");
export const flag = plain<boolean>("true or false", (value) => typeof value === "boolean");

/** A whole number of so many bits. */
export function whole(bits: number): Shape<number> {
  const isWhole = (value: unknown) =>
    Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** bits;
  return plain(`a whole number of ${bits} bits`, isWhole);
}

/** An enum: one of these words. */
export function word<T extends string>(...words: T[]): Shape<T> {
  return plain(words.join(" or "), (value) => words.includes(value as T));
}

/** Open-ended data. */
export const json: Shape<Json> = {
  fromHost: (value) => parseJson(value as string),
  toHost(value, at) {
    must(value !== undefined, at, "JSON");
    return printJson(value);
  },
  fromCase(value, at) {
    must(value !== undefined, at, "there");
    return value as Json;
  },
  toCase: (value) => value,
};

export function list<T>(shape: Shape<T>): Shape<T[]> {
  return {
    fromHost: (value) => (value as unknown[]).map((element) => shape.fromHost(element)),
    toHost(value, at) {
      must(Array.isArray(value), at, "a list");
      return value.map((element, place) => shape.toHost(element, `${at}/${place}`));
    },
    fromCase(value = [], at) {
      must(Array.isArray(value), at, "a list");
      return (value as Json[]).map((element, place) => shape.fromCase(element, `${at}/${place}`));
    },
    toCase: (value) => value.map((element) => shape.toCase(element) ?? null),
  };
}

/** In a golden case `null` is the same as absent. */
export function option<T>(shape: Shape<T>): Shape<T | undefined> {
  return {
    ...evenNull(shape),
    fromCase: (value, at) => (value === undefined || value === null ? undefined : shape.fromCase(value, at)),
  };
}

/** An option of which `null` is a value, and says something else than its absence. */
export function evenNull<T>(shape: Shape<T>): Shape<T | undefined> {
  return {
    fromHost: (value) => (value === undefined || value === null ? undefined : shape.fromHost(value)),
    toHost: (value, at) => (value === undefined ? undefined : shape.toHost(value, at)),
    fromCase: (value, at) => (value === undefined ? undefined : shape.fromCase(value, at)),
    toCase: (value) => (value === undefined ? undefined : shape.toCase(value)),
  };
}

/** What may be left out, and then is `value`. */
export function or<T>(shape: Shape<T>, value: T): Shape<T> {
  return { ...shape, fromCase: (given, at) => (given === undefined ? value : shape.fromCase(given, at)) };
}

export function record<T extends object>(fields: Fields<T>): Shape<T> {
  const shapes = Object.entries<Shape<unknown>>(fields as Record<string, Shape<unknown>>);
  const build = (each: (name: string, shape: Shape<unknown>) => unknown): Members => {
    return Object.fromEntries(shapes.map(([name, shape]) => [name, each(name, shape)]));
  };
  const known = new Set(shapes.map(([name]) => kebab(name)));
  return {
    fromHost: (value) => build((name, shape) => shape.fromHost((value as Members)[name])) as T,
    toHost(value, at) {
      must(typeof value === "object" && value !== null, at, "an object");
      return build((name, shape) => shape.toHost((value as Members)[name], `${at}/${name}`));
    },
    fromCase(value, at) {
      const members = object(value, at);
      const unknown = Object.keys(members).find((name) => !known.has(name));
      must(unknown === undefined, `${at}/${unknown}`, "gone: nobody knows that name");
      return build((name, shape) => shape.fromCase(members[kebab(name)], `${at}/${kebab(name)}`)) as T;
    },
    toCase(value) {
      const members = shapes.map(([name, shape]) => [kebab(name), shape.toCase((value as Members)[name])]);
      return Object.fromEntries(members.filter(([, member]) => member !== undefined)) as JsonObject;
    },
  };
}

/** A record that has a class. */
export function made<P extends object, T extends P>(parts: Shape<P>, make: (parts: P) => T): Shape<T> {
  return {
    ...parts,
    fromHost: (value) => make(parts.fromHost(value)),
    fromCase: (value, at) => make(parts.fromCase(value, at)),
  };
}

/** A variant. A case without a payload has `undefined` for a shape. */
export function variant<T>(cases: Record<string, Shape<any> | undefined>): Shape<T> {
  const shapes = new Map(Object.entries(cases));
  const names = [...shapes.keys()].map(kebab).join(" or ");
  const wrap = (name: string, payload: unknown) => (shapes.get(name) ? { [name]: payload } : name) as T;
  const unwrap = (value: T, at: string): [string, unknown] => {
    const [name = "", payload] =
      typeof value === "string" ? [value] : (Object.entries(value as object)[0] ?? []);
    must(shapes.has(name), at, names);
    return [name, payload];
  };
  return {
    fromHost(value) {
      const { tag, val } = value as { tag: string; val?: unknown };
      return wrap(camel(tag), shapes.get(camel(tag))?.fromHost(val));
    },
    toHost(value, at) {
      const [name, payload] = unwrap(value, at);
      const shape = shapes.get(name);
      return shape ? { tag: kebab(name), val: shape.toHost(payload, `${at}/${kebab(name)}`) } : { tag: name };
    },
    fromCase(value, at) {
      const members = isObject(value) ? Object.entries(value) : [[value, undefined] as const];
      const [given, payload] = members[0] ?? [];
      const name = typeof given === "string" ? camel(given) : "";
      const shape = shapes.get(name);
      must(members.length === 1 && shapes.has(name) && isObject(value) === (shape !== undefined), at, names);
      return wrap(name, shape?.fromCase(payload, `${at}/${given}`));
    },
    toCase(value) {
      const [name, payload] = unwrap(value, "");
      const shape = shapes.get(name);
      return shape ? { [kebab(name)]: shape.toCase(payload) ?? null } : kebab(name);
    },
  };
}

function plain<T extends Json>(what: string, isOne: (value: unknown) => boolean): Shape<T> {
  const checked = (value: unknown, at: string): T => {
    must(isOne(value), at, what);
    return value as T;
  };
  return { fromHost: (value) => value as T, toHost: checked, fromCase: checked, toCase: (value) => value };
}

/** What a golden case has at that place, as an object. */
export function object(value: Json | undefined, at: string): JsonObject {
  must(isObject(value), at, "an object");
  return value as JsonObject;
}

export function must(isSo: boolean, at: string, what: string): void {
  if (!isSo) {
    throw new TypeError(`${at === "" ? "all of it" : at} must be ${what}`);
  }
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function camel(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
