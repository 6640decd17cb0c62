/**
 * Golden cases: files of what is given and what is expected, run against the adapter natively.
 *
 * The host runs the same files against the component. A `provision` case is a life in steps: asked with
 * everything that was said to happen so far, the adapter must answer `expect`; `then` is what happens next.
 * What a decision strikes from the history is struck here too. Every question is asked twice, because its
 * answer must depend on nothing but the question.
 */

import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";

import { type Adapter, logIn, provision, registerAt, unregister } from "./adapter.ts";
import * as contract from "./contract.ts";
import { isEqual, isObject, type Json, type JsonObject, parseJson, printJson } from "./json.ts";
import { evenNull, json, list, object, option, record, type Shape, text, word } from "./shapes.ts";
import type { Decision, Entry, Move } from "./types.ts";

/** Has a test for every `*.json` of a folder, and one that fails when there is none. */
export function runCases(adapter: Adapter, folder: string): void {
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  test(`there are golden cases in ${folder}`, () => {
    if (files.length === 0) {
      throw new Error(`no golden case there: ${folder}`);
    }
  });
  for (const name of files.sort()) {
    test(basename(name, ".json"), () => holdCase(adapter, join(folder, name)));
  }
}

/**
 * Asks an adapter all that one case holds.
 *
 * @throws Error with everything that differs, by step and place.
 */
export function holdCase(adapter: Adapter, file: string): void {
  const read = named("not a case", () => parsed(readFileSync(file, "utf8")));
  named(read.about, () => read.hold(adapter));
}

interface Case {
  about: string;
  hold(adapter: Adapter): void;
}

/** A step: what is expected, and what that leads to; nothing in the last one. */
interface Step<T> {
  expect: T;
  then?: Entry | undefined;
}

function parsed(file: string): Case {
  const { ask, about, ...given } = object(parseJson(file), "");
  const known = Object.keys(KINDS) as [keyof typeof KINDS];
  const kind = word(...known).fromCase(ask, "/ask");
  return { about: text.fromCase(about, "/about"), hold: KINDS[kind](given) };
}

type Kind = (given: JsonObject) => (adapter: Adapter) => void;

const KINDS = {
  provision: (given) => {
    const { operation, steps } = all(given, {
      operation: contract.operation,
      steps: stepsOf(contract.progress),
    });
    return (adapter) => {
      walk(steps, contract.progress, (history) => provision(adapter, operation, history), afterProgress);
    };
  },
  "read-notification": (given) => {
    const { notification, reading } = contract;
    const { config, expect, ...rest } = all(given, { config: json, notification, expect: reading });
    return (adapter) => compare(reading, expect, () => adapter.readNotification(config, rest.notification));
  },
  "check-config": (given) => {
    const problems = list(contract.problem);
    const { config, expect } = all(given, { config: json, expect: problems });
    return (adapter) => compare(problems, expect, () => adapter.checkConfig(config));
  },
  "log-in": (given) => {
    const { config, steps } = all(given, { config: json, steps: stepsOf(contract.move) });
    return (adapter) => walk(steps, contract.move, (history) => logIn(adapter, config, history), afterMove);
  },
  "register-at": (given) => {
    const fields = { config: json, address: text, standing: evenNull(json), steps: stepsOf(contract.move) };
    const { config, address, standing, steps } = all(given, fields);
    return (adapter) => {
      const ask = (history: Entry[]) => registerAt(adapter, config, address, standing, history);
      walk(steps, contract.move, ask, afterMove);
    };
  },
  unregister: (given) => {
    const { config, standing, steps } = all(given, {
      config: json,
      standing: json,
      steps: stepsOf(contract.move),
    });
    return (adapter) => {
      walk(steps, contract.move, (history) => unregister(adapter, config, standing, history), afterMove);
    };
  },
} satisfies Record<string, Kind>;

function all<T extends object>(given: JsonObject, fields: { [Name in keyof T]-?: Shape<T[Name]> }): T {
  return record<T>(fields).fromCase(given, "");
}

function stepsOf<T>(expect: Shape<T>): Shape<Step<T>[]> {
  return list(record<Step<T>>({ expect, then: option(contract.entry) } as never));
}

/** Appends what an answer led to; `false`: it cannot have led there. */
type Follow<T> = (answer: T, then: Entry, history: Entry[]) => boolean;

function walk<T>(steps: Step<T>[], shape: Shape<T>, ask: (history: Entry[]) => T, follow: Follow<T>): void {
  const history: Entry[] = [];
  steps.forEach(({ expect, then }, place) => {
    const isLast = place + 1 === steps.length;
    named(`step ${place + 1}:`, () => {
      compare(shape, expect, () => ask([...history]));
      if (isLast !== (then === undefined)) {
        throw new Difference(isLast ? "no step follows this `then`" : "`then` is missing");
      }
      if (then !== undefined && !follow(expect, then, history)) {
        throw new Difference("`then` cannot follow from this decision");
      }
    });
  });
}

function afterMove(move: Move, then: Entry, history: Entry[]): boolean {
  history.push(then);
  return "send" in move && label(then) === move.send.label;
}

/** Appends what a decision led to, and before that strikes what the decision strikes. */
function afterProgress({ decision }: { decision: Decision }, then: Entry, history: Entry[]): boolean {
  const fits = follows(decision, then, history);
  history.push(then);
  return fits;
}

function follows(decision: Decision, then: Entry, history: Entry[]): boolean {
  const exchanged = label(then);
  if (typeof decision === "string") {
    return false;
  }
  if ("send" in decision) {
    return exchanged === decision.send.label;
  }
  if ("again" in decision || "renew" in decision) {
    const struck = history.pop();
    return (
      struck !== undefined && !isUnknown(struck) && exchanged !== undefined && exchanged === label(struck)
    );
  }
  if ("wait" in decision) {
    const lastWait = history.findLastIndex((entry) => label(entry) === undefined);
    if (decision.wait.forget && lastWait >= 0) {
      history.length = lastWait;
    }
    return exchanged === undefined;
  }
  return false;
}

/** The label of an exchange; what is none ends a wait. */
function label({ what }: Entry): string | undefined {
  return typeof what === "object" && "exchanged" in what ? what.exchanged.label : undefined;
}

function isUnknown({ what }: Entry): boolean {
  return typeof what === "object" && "exchanged" in what && "unknown" in what.exchanged.outcome;
}

function compare<T>(shape: Shape<T>, expected: T, ask: () => T): void {
  const [answer, second] = [readable(shape, ask()), readable(shape, ask())];
  const differences = [...differencesOf("", readable(shape, expected), answer)];
  if (!isEqual(answer, second)) {
    differences.push("asked a second time, it answers otherwise", ...differencesOf("", answer, second));
  }
  if (differences.length > 0) {
    throw new Difference(differences.join("\n    "));
  }
}

/** As the case would write it. What the component could not hand over is no answer here, either. */
function readable<T>(shape: Shape<T>, value: T): Json | undefined {
  shape.toHost(value, "");
  return shape.toCase(value);
}

/** Names the smallest parts that differ, each by its JSON pointer. */
function* differencesOf(at: string, expected: Json | undefined, answer: Json | undefined): Generator<string> {
  if (isEqual(expected, answer)) {
    return;
  }
  const isBoth = (is: (value: unknown) => boolean) => is(expected) && is(answer);
  if (!isBoth(isObject) && !isBoth(Array.isArray)) {
    yield `${at}: expected ${shown(expected)}, answered ${shown(answer)}`;
    return;
  }
  const [left, right] = [expected, answer] as [JsonObject, JsonObject];
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    yield* differencesOf(`${at}/${name}`, left[name], right[name]);
  }
}

function shown(value: Json | undefined): string {
  return value === undefined ? "nothing" : printJson(value);
}

/** What differs is told without the lines of this file; what an adapter throws keeps its own. */
class Difference extends Error {
  constructor(message: string) {
    super(message);
    this.stack = message;
  }
}

/** What goes wrong within says where. */
function named<T>(where: string, run: () => T): T {
  try {
    return run();
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(`thrown: ${String(thrown)}`);
    const told = new Difference(`${where}\n    ${error.message}`);
    const frames = error.stack?.split("\n").filter((line) => /^ +at /.test(line)) ?? [];
    const ours = frames.findIndex((line) => line.includes("/cases.ts:"));
    told.stack = [told.message, ...(ours < 0 ? frames : frames.slice(0, ours))].join("\n");
    throw told;
  }
}
