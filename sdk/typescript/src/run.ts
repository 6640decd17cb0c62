/** What a flow and an errand have in common: a history that is read once, and a stop that is remembered. */

import type { Response } from "./http.ts";
import type { Entry, Outcome } from "./types.ts";

/**
 * Thrown when the code has said what comes next and is not to go on. It is no error: let it pass.
 */
export class Stop {
  /** For whoever sees it where none should be. */
  readonly message = "the flow has stopped: let this pass";
}

/** One run over a history. `T` is what it comes to. */
export class Run<T> {
  readonly #history: readonly Entry[];
  #place = 0;
  #stopped: { stop: Stop; at: T } | undefined;
  #fault: Error | undefined;

  constructor(history: readonly Entry[]) {
    this.#history = history;
  }

  /** The next thing that has happened; `undefined` when there is none. */
  next(): Entry | undefined {
    this.#goOn();
    return this.#history[this.#place++];
  }

  /** Takes the first decision; any later one comes from code that did not hear it. */
  stop(decide: () => T): never {
    this.#goOn();
    this.#stopped = { at: decide(), stop: new Stop() };
    throw this.#stopped.stop;
  }

  /** Runs the code to its end, or to its stop. What it threw for other reasons is thrown on. */
  end(tell: () => unknown, finish: () => T): T {
    const [returned, thrown] = outcomeOf(tell);
    if (this.#fault !== undefined) {
      throw this.#fault;
    }
    if (thrown !== undefined && !(thrown.error instanceof Stop)) {
      throw thrown.error;
    }
    if (this.#stopped !== undefined) {
      return this.#stopped.at;
    }
    if (thrown !== undefined) {
      throw new Error("diverged: the stop of another flow was let pass");
    }
    if (returned instanceof Promise) {
      throw new Error("a flow is straight-line code: it must not be async");
    }
    return finish();
  }

  /** What became of the request with that label, which is what the entry must tell. */
  exchanged(entry: Entry, label: string): Outcome {
    const { what } = entry;
    if (typeof what === "object" && "exchanged" in what && what.exchanged.label === label) {
      return what.exchanged.outcome;
    }
    return this.diverged(entry, `sends "${label}"`);
  }

  /** The answer to a request that the host repeats until there is one. */
  answer(label: string, outcome: Outcome): Response {
    if ("answered" in outcome) {
      return outcome.answered;
    }
    return this.fault(`diverged: the history has "${label}" unanswered where the flow asks for it`);
  }

  /** Where a run ends, its history must, too. */
  nothingAhead(doing: string): void {
    const entry = this.#history[this.#place];
    if (entry !== undefined) {
      this.diverged(entry, doing);
    }
  }

  /** Ends a run that took another way than the one before it: never a silent second send. */
  diverged(entry: Entry, doing: string): never {
    return this.fault(`diverged: the history has ${shown(entry)} where the flow ${doing}`);
  }

  /** Ends a run that must not go on, even when the code swallows what is thrown. */
  fault(message: string): never {
    this.#fault = new Error(message);
    throw this.#fault;
  }

  #goOn(): void {
    if (this.#fault !== undefined) {
      throw this.#fault;
    }
    if (this.#stopped !== undefined) {
      throw this.#stopped.stop;
    }
  }
}

function outcomeOf(tell: () => unknown): [unknown, { error: unknown } | undefined] {
  try {
    return [tell(), undefined];
  } catch (error) {
    return [undefined, { error }];
  }
}

function shown({ what }: Entry): string {
  if (what === "elapsed") {
    return "a wait that elapsed";
  }
  return "exchanged" in what ? `"${what.exchanged.label}"` : "a notification";
}
