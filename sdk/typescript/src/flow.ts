/**
 * Straight-line code that is re-run: the way a flow of many steps reads like one of none.
 *
 * Every question runs an adapter's code from its first line. What has happened already is answered from the
 * history; at the first thing that has not, the code is stopped, and that thing is the decision. Nothing here
 * does anything: the host does.
 */

import type { Delivery, Request, Response } from "./http.ts";
import { copied, type Json } from "./json.ts";
import { Run } from "./run.ts";
import type { Decision, Entry, Operation, Outcome, Progress, Report, Status } from "./types.ts";

/** As many characters as a report may have. */
const MESSAGE_CHARS_MAX = 4_000;

/** What became of a request that must not be sent twice. After an unknown outcome, look before the next one. */
export type Acted =
  /** The target answered, with whatever status code. */
  | { is: "answered"; response: Response }
  /** It may have arrived, and here is why nobody knows: look before you leap. */
  | { is: "unknown"; why: string };

/** What ended a wait. */
export type Woken =
  /** A notification, by its signal's payload. */
  | { is: "notified"; payload: Json }
  /** The time was up, or the group's deadline came: look for yourself. */
  | { is: "elapsed" };

/** How long to wait. */
export interface Wait {
  /** At most. Absent: until a notification comes, or the group's deadline. */
  seconds?: number;
  /**
   * A newer operation that wants another state of the service may take this one's place. Only when what was
   * said to be applied tells it all.
   */
  givesWay?: boolean;
}

/**
 * One run of an adapter's code over all that has happened to an operation.
 *
 * What is said beside the decision (reports, what is applied, keys) belongs to the next decision, and goes
 * with it: say it before the call that it belongs to.
 *
 * Every call that stops throws a `Stop`, which is not an error: let it pass. Whoever swallows it gets the same
 * again from every later call, so nothing is sent twice. An error with the word `diverged` says that the code
 * takes another way than the history shows; swallowing that helps as little.
 */
export class Flow {
  readonly #operation: Operation;
  readonly #run: Run<Progress>;
  #now: string;
  #actedSinceWait = false;
  #reports: Report[] = [];
  #applied: Json | undefined;
  #keys: string[] = [];

  /** The host, or a test, begins it. */
  constructor(operation: Operation, history: readonly Entry[]) {
    this.#operation = operation;
    this.#run = new Run(history);
    this.#now = operation.began;
  }

  /**
   * Sends a request that does twice what it does once. The host repeats it until it is answered, so there
   * always is an answer; whether that means success is yours to say.
   */
  ask(label: string, request: Request): Response {
    return this.#run.answer(label, this.#exchange(label, "repeatable", request));
  }

  /** Sends a request that must not arrive twice. */
  act(label: string, request: Request): Acted {
    const outcome = this.#exchange(label, "at-most-once", request);
    this.#actedSinceWait = true;
    return acted(outcome);
  }

  /** Sleeps until a notification or the time comes. */
  wait(how: Wait = {}): Woken {
    const entry = this.#next();
    if (entry === undefined) {
      return this.#stop(waiting(how, false));
    }
    this.#actedSinceWait = false;
    if (entry.what === "elapsed") {
      return { is: "elapsed" };
    }
    if ("notified" in entry.what) {
      return { is: "notified", payload: entry.what.notified };
    }
    return this.#run.diverged(entry, "waits");
  }

  /**
   * Sleeps on: the last wait brought no news, and neither did anything since, so all of that is struck from
   * the history. The code will come to the last wait again, not to here.
   *
   * @throws Error when an {@link act} is among what would be struck.
   */
  waitOn(how: Wait = {}): never {
    if (this.#actedSinceWait) {
      this.#run.fault("a request that must not be sent twice cannot be forgotten");
    }
    return this.#stop(waiting(how, true));
  }

  /**
   * The answer changed nothing and may be another one later: the host strikes it and sends the same request
   * again on the group's schedule.
   */
  again(code: string, message: string): never {
    return this.#stop({ again: { code, message } });
  }

  /** As {@link again}, but at once and with a new session. */
  renew(code: string, message: string): never {
    return this.#stop({ renew: { code, message } });
  }

  /** It cannot go on without a person, or without newer data from PortaBilling. */
  park(code: string, message: string): never {
    return this.#stop({ park: { code, message } });
  }

  /** The event is none of this group's business. Only before anything was sent. */
  ignore(why: string): never {
    return this.#stop({ ignore: why });
  }

  /** Reports a status of the account in the operation's own group. A message is cut at 4000 characters. */
  report(status: Status, message?: string): void {
    this.#sayReport({ status, message });
  }

  /** Reports a status of the account in another group. */
  reportFor(group: string, status: Status, message?: string): void {
    this.#sayReport({ group, status, message });
  }

  /** Says what now stands, or by the next decision may come to stand, in the external system. */
  applied(applied: Json): void {
    this.#applied = copied(applied);
  }

  /** Says that nothing stands there for this account. */
  nothingApplied(): void {
    this.#applied = null;
  }

  /** Names a key by which notifications find this operation from now on. */
  key(key: string): void {
    this.#keys.push(key);
  }

  /**
   * The time of the last thing that happened, or of the operation's beginning: RFC 3339 in UTC, and the same
   * at every re-run.
   */
  now(): string {
    return this.#now;
  }

  /** How old the operation is by {@link now}, in seconds. */
  age(): number {
    return Math.max(0, Date.parse(this.#now) - Date.parse(this.#operation.began)) / 1_000;
  }

  /** What the run of `tell` comes to. One that was not stopped has finished. */
  progress(tell: () => void): Progress {
    return this.#run.end(tell, () => this.#decided("finish"));
  }

  #sayReport({ message, ...report }: Report): void {
    const cut = message === undefined ? undefined : [...message].slice(0, MESSAGE_CHARS_MAX).join("");
    this.#reports.push({ ...report, message: cut });
  }

  #exchange(label: string, delivery: Delivery, request: Request): Outcome {
    const entry = this.#next();
    if (entry === undefined) {
      return this.#stop({ send: request.with({ label, delivery }) });
    }
    return this.#run.exchanged(entry, label);
  }

  /** The next thing that has happened. What was said before it went with the decision that led there. */
  #next(): Entry | undefined {
    const entry = this.#run.next();
    if (entry !== undefined) {
      this.#now = entry.at;
      this.#reports = [];
      this.#applied = undefined;
      this.#keys = [];
    }
    return entry;
  }

  #stop(decision: Decision): never {
    return this.#run.stop(() => this.#decided(decision));
  }

  #decided(decision: Decision): Progress {
    this.#run.nothingAhead(doing(decision));
    return { decision, reports: [...this.#reports], applied: this.#applied, keys: [...this.#keys] };
  }
}

/** What `act` says of an outcome. */
export function acted(outcome: Outcome): Acted {
  return "answered" in outcome
    ? { is: "answered", response: outcome.answered }
    : { is: "unknown", why: outcome.unknown };
}

function waiting({ seconds, givesWay = false }: Wait, forget: boolean): Decision {
  return { wait: { seconds, forget, givesWay } };
}

function doing(decision: Decision): string {
  const words = {
    send: "sends",
    again: "says again",
    renew: "renews",
    wait: "waits on",
    finish: "finishes",
    ignore: "ignores",
    park: "parks",
  };
  const name = typeof decision === "string" ? decision : Object.keys(decision)[0];
  return words[name as keyof typeof words];
}
