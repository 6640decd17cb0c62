/**
 * The words that the host and an adapter share, as `wit/adapter.wit` says them: names in camel case, what
 * travels there as JSON text is a value here, and the chosen variant is named by its only member.
 */

import type { Body, RequestParts, Response } from "./http.ts";
import { isObject, type Json, type JsonObject, member } from "./json.ts";

/** Why the operation exists. */
export interface Event {
  /** `i_event` as decimal text: an equal id is the same event delivered again. */
  id: string;
  /** As PortaBilling sent it, for example `Account/New`; or the host's own: `Punchdown/Resync`. */
  name: string;
  /** When the host took it, RFC 3339 in UTC. */
  receivedAt: string;
  /** The event's `variables` object; of a notification, its signal's payload. */
  variables: Json;
  /** What came with it beside that; `{}` when nothing did. */
  enclosed: Json;
}

/**
 * What PortaBilling wants of the service, the account and its customer taken together: it must run; the record
 * is kept and switched off; what was made is taken away.
 */
export type Wanted = "running" | "suspended" | "gone";

/** What a subscriber is made of. */
export interface SubscriberParts {
  /** The account ID with its realm: `15550001111@msisdn`. */
  readonly accountId: string;
  /** The telephone number. */
  readonly msisdn?: string | undefined;
  /** The identity of the SIM in the network. */
  readonly imsi?: string | undefined;
  /** The number of the SIM card. */
  readonly iccid?: string | undefined;
  /** Every document that the host read for this adapter, by query name; `null`: it has none. */
  readonly documents: Json;
}

/** What PortaBilling knew of the account when the operation began. */
export class Subscriber implements SubscriberParts {
  readonly accountId!: string;
  readonly msisdn?: string | undefined;
  readonly imsi?: string | undefined;
  readonly iccid?: string | undefined;
  readonly documents!: Json;

  constructor(parts: SubscriberParts) {
    Object.assign(this, parts);
  }

  /**
   * What stands in the documents at a JSON pointer that begins with a query's name. An element of a list may
   * be called by its `name`, as PortaBilling's lists are: `/account_info/service_features/netaccess_policy`.
   */
  document(pointer: string): Json | undefined {
    const [before, ...segments] = pointer.split("/");
    if (before !== "" || segments.length === 0) {
      return undefined;
    }
    const names = segments.map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
    return names.reduce<Json | undefined>(child, this.documents);
  }
}

/** One durable unit of work, the same to the letter at every asking. */
export interface Operation {
  /** Also a key by which a notification finds it, without being named. */
  id: string;
  /** The ESPF service group, for example `HSS`. */
  group: string;
  /** PortaBilling's internal number of the account, as decimal text. */
  iAccount: string;
  /** When the subscriber was read, RFC 3339 in UTC. */
  began: string;
  event: Event;
  wanted: Wanted;
  /** Absent when PortaBilling has the account no more. */
  subscriber?: Subscriber | undefined;
  /** What earlier operations left in the external system; absent, and never `null`, when nothing. */
  applied?: Json | undefined;
  /** The group's own configuration, already found good by `checkConfig`. */
  config: Json;
  /** The public address of the group's notification door, where it has one. */
  notifyAt?: string | undefined;
  /** What later hosts have to say; `{}` today. Skip what you do not know. */
  extras: Json;
}

/** What became of a request: answered, with whatever status code; or it may have arrived, and here is why. */
export type Outcome = { answered: Response } | { unknown: string };

/** A request, by its label, and what became of it. */
export interface Exchange {
  label: string;
  outcome: Outcome;
}

/** What can happen to an operation. */
export type Happening = { exchanged: Exchange } | { notified: Json } | "elapsed";

/** One thing that has happened. Each ends one `send` or one `wait`. */
export interface Entry {
  /** When, RFC 3339 in UTC. */
  at: string;
  what: Happening;
}

/** What the ESPF can be told of an account in a group. The host says `retry` itself while it sends again. */
export type Status = "ok" | "in-progress" | "retry" | "failed";

/** A status to store in PortaBilling. */
export interface Report {
  /** Absent: the operation's own group. */
  group?: string | undefined;
  status: Status;
  /** For the administrator who reads it in PortaBilling; at most 4000 characters. */
  message?: string | undefined;
}

/** How long to sleep, and what of it. */
export interface Waiting {
  /** End the wait after so many seconds. Absent: the group's deadline ends it. */
  seconds?: number | undefined;
  /** Strike everything since the wait before this one from the history. */
  forget: boolean;
  /** A newer operation that wants another state may take this one's place here. */
  givesWay: boolean;
}

/** Why something did not go on. */
export interface Trouble {
  /** A stable word to search and group by: `profile-unknown`. */
  code: string;
  /** For a person. */
  message: string;
}

/** What to do next. {@link Flow} makes these. */
export type Decision =
  | { send: RequestParts }
  | { again: Trouble }
  | { renew: Trouble }
  | { wait: Waiting }
  | "finish"
  | { ignore: string }
  | { park: Trouble };

/** An adapter's answer to `provision`: a decision, and all that is said with it. */
export interface Progress {
  decision: Decision;
  /** What has happened, to store in PortaBilling, in order. */
  reports: Report[];
  /** What now stands, or may come to stand; `null`: nothing. Absent: as said before. */
  applied?: Json | undefined;
  /** Keys by which notifications find this operation from now on. */
  keys: string[];
  /** For what later hosts can do. A host refuses a word that it does not know. */
  extras?: Json | undefined;
}

/** What an errand came to. */
export interface Standing {
  /** A session's values by name, texts and numbers; or what is needed to find a registration again. */
  value: Json;
  /** Good for so long; then the errand is run again. Absent: until told otherwise. */
  seconds?: number | undefined;
}

/** The next move of an errand. {@link Errand} makes these. */
export type Move = { send: RequestParts } | { again: Trouble } | { ready: Standing } | { fail: Trouble };

/** Whom a notification speaks of: a key that an operation named, or its id; or an account's open operation. */
export type Correlation = { key: string } | { iAccount: string } | { accountId: string };

/**
 * What becomes of a signal for which no operation waits: it is kept, because its operation may not have come
 * so far yet; it begins an operation, because the system changed of itself; it is only recorded.
 */
export type Otherwise = "keep" | "begin" | "drop";

/** One thing that a notification says to one operation. */
export interface Signal {
  /** The sender's own id of it: one that was seen before is dropped. Absent: it is taken as new. */
  id?: string | undefined;
  correlation: Correlation;
  /** Becomes the `notified` entry of the operation it belongs to. */
  payload: Json;
  otherwise: Otherwise;
}

/** What the host answers the external system once the signals are durable. A `Response` is one. */
export interface Reply {
  status: number;
  headers?: { name: string; value: string }[];
  body?: Body;
}

/** An adapter's answer to `readNotification`. */
export interface Reading {
  reply: Reply;
  /** What it says, and to whom. */
  signals: Signal[];
  /** Why it could not be understood. */
  unread?: Trouble | undefined;
}

/** One thing wrong with a configuration. */
export interface Problem {
  /** JSON pointer to it. */
  at: string;
  /** For a person. */
  message: string;
}

/** An adapter's answer to `describe`. */
export interface Description {
  name: string;
  version: string;
  /** One sentence. */
  summary: string;
  /** The PortaBilling queries whose documents the adapter needs. */
  queries: string[];
  /** JSON Schema of a group's configuration. */
  configSchema: JsonObject;
  /** Names of the group's secrets that its fills use. */
  secrets: string[];
  /** Names, beside the host's own list, whose values are never shown or logged. */
  secretFields: string[];
}

function child(value: Json | undefined, name: string): Json | undefined {
  if (!Array.isArray(value)) {
    return member(value, name);
  }
  if (/^\d+$/.test(name)) {
    return value[Number(name)];
  }
  return value.find((element) => isObject(element) && element["name"] === name);
}
