/** What is done for a whole group, as straight-line code that is re-run: logging in, registering. */

import { type Acted, acted } from "./flow.ts";
import type { Delivery, Request, Response } from "./http.ts";
import { Run } from "./run.ts";
import type { Entry, Move, Outcome, Standing } from "./types.ts";

/**
 * One run of an errand's code over all that has happened on its way. As a {@link Flow}, but there is no
 * account, nothing to report and nothing to wait for.
 */
export class Errand {
  readonly #run: Run<Move>;

  /** The host, or a test, begins it. */
  constructor(history: readonly Entry[]) {
    this.#run = new Run(history);
  }

  /**
   * Sends a request that does twice what it does once. When it is not answered the host begins the errand
   * anew.
   */
  ask(label: string, request: Request): Response {
    return this.#run.answer(label, this.#exchange(label, "repeatable", request));
  }

  /** Sends a request that must not arrive twice. */
  act(label: string, request: Request): Acted {
    return acted(this.#exchange(label, "at-most-once", request));
  }

  /** Not now, and maybe later: the host begins the errand anew after a pause. */
  again(code: string, message: string): never {
    return this.#stop({ again: { code, message } });
  }

  /** It cannot be done without a person. The group's operations are held back, and none fails. */
  fail(code: string, message: string): never {
    return this.#stop({ fail: { code, message } });
  }

  /** The move that the run of `tell` comes to. */
  move(tell: () => Standing): Move {
    let standing: Standing | undefined;
    const told = () => (standing = tell());
    return this.#run.end(told, () => this.#last({ ready: standing as Standing }));
  }

  #exchange(label: string, delivery: Delivery, request: Request): Outcome {
    const entry = this.#run.next();
    if (entry === undefined) {
      return this.#stop({ send: request.with({ label, delivery }) });
    }
    return this.#run.exchanged(entry, label);
  }

  #stop(move: Move): never {
    return this.#run.stop(() => this.#last(move));
  }

  #last(move: Move): Move {
    this.#run.nothingAhead("comes to an end");
    return move;
  }
}
