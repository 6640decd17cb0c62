/** What stands in the external system, and what of that was said. */

import type { Flow } from "./flow.ts";
import { copied, isEqual, type JsonObject } from "./json.ts";

/** What a flow works with while it runs. */
export class Applied<T extends object> {
  /** What stands, as far as the flow has come. Change it as you go. */
  stands: T;
  readonly #nothing: T;
  #said: T;

  /** `stands` is what the operation was given, and so is said already; `nothing` means that nothing stands. */
  constructor(stands: T, nothing: T) {
    this.stands = copy(stands);
    this.#said = copy(stands);
    this.#nothing = copy(nothing);
  }

  /** Says what stands, when that is news: before the request that may change it leaves. */
  say(flow: Flow): void {
    if (isSame(this.stands, this.#said)) {
      return;
    }
    if (isSame(this.stands, this.#nothing)) {
      flow.nothingApplied();
    } else {
      flow.applied(this.stands as JsonObject);
    }
    this.#said = copy(this.stands);
  }
}

function isSame(left: object, right: object): boolean {
  return isEqual(left as JsonObject, right as JsonObject);
}

function copy<T extends object>(value: T): T {
  return copied(value as JsonObject) as T;
}
