/** The questions that an adapter answers. Every answer depends on the arguments alone. */

import { Errand } from "./errand.ts";
import { Flow } from "./flow.ts";
import type { Notification } from "./http.ts";
import type { Json } from "./json.ts";
import type { Description, Entry, Move, Operation, Problem, Progress, Reading, Standing } from "./types.ts";

/** An adapter. The optional interfaces that its component has must stand in `package.json`, too. */
export interface Adapter {
  /** What it is, and what it needs. */
  describe(): Description;

  /** All that is wrong with a group's configuration; empty when it will do. */
  checkConfig(config: Json): Problem[];

  /** Subscriber data to requests, from the first to the last. To return is to finish, well or badly. */
  provision(flow: Flow, operation: Operation): void;

  /** A notification to the operations it speaks of. */
  readNotification(config: Json, notification: Notification): Reading;

  /**
   * The interface `session`, for a system that wants a log-in first: logs in, and says what the session has.
   * The host does it once for all operations of a group, keeps what it brought in memory alone, and fills it
   * in where a request says `fill(mark, "session.<name>", …)`. An answer that says that the session has ended
   * is for {@link Flow.renew}.
   */
  logIn?(errand: Errand, config: Json): Standing;

  /**
   * The interface `registration`, for a system that notifies only who has registered: be registered at
   * `address`. Every registration has one of its own; whatever comes to one that came to nothing is answered
   * 410. `standing` is what the last registration left, to be removed or replaced: its address is closed soon
   * after this one is granted.
   */
  registerAt?(errand: Errand, config: Json, address: string, standing: Json | undefined): Standing;

  /** Be registered no more. */
  unregister?(errand: Errand, config: Json, standing: Json): void;
}

/** What comes next for `operation` after all that has happened: the contract's `provision`. */
export function provision(adapter: Adapter, operation: Operation, history: readonly Entry[]): Progress {
  const flow = new Flow(operation, history);
  return flow.progress(() => adapter.provision(flow, operation));
}

/** The next move of a log-in after all that has happened on its way: the contract's `log-in`. */
export function logIn(adapter: Adapter, config: Json, history: readonly Entry[]): Move {
  const errand = new Errand(history);
  return errand.move(() => there(adapter, "logIn").call(adapter, errand, config));
}

/** The next move of a registration after all that has happened on its way: the contract's `register-at`. */
export function registerAt(
  adapter: Adapter,
  config: Json,
  address: string,
  standing: Json | undefined,
  history: readonly Entry[],
): Move {
  const errand = new Errand(history);
  return errand.move(() => there(adapter, "registerAt").call(adapter, errand, config, address, standing));
}

/** The next move of the end of a registration: the contract's `unregister`. */
export function unregister(adapter: Adapter, config: Json, standing: Json, history: readonly Entry[]): Move {
  const errand = new Errand(history);
  return errand.move(() => {
    const ended: unknown = there(adapter, "unregister").call(adapter, errand, config, standing);
    return ended instanceof Promise ? (ended as never) : { value: null };
  });
}

function there<Name extends "logIn" | "registerAt" | "unregister">(
  adapter: Adapter,
  name: Name,
): NonNullable<Adapter[Name]> {
  const found = adapter[name];
  if (found === undefined) {
    throw new Error(`this adapter has no \`${name}\``);
  }
  return found;
}
