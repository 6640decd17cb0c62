/** The records of `wit/adapter.wit`, each by its {@link Shape}. */

import { type Body, type Fill, type Header, Notification, type RequestParts, Response } from "./http.ts";
import { type Json, printJson, tryParseJson } from "./json.ts";
import {
  evenNull,
  flag,
  json,
  list,
  made,
  must,
  object,
  option,
  or,
  record,
  type Shape,
  text,
  variant,
  whole,
  word,
} from "./shapes.ts";
import {
  type Correlation,
  type Decision,
  type Description,
  type Entry,
  type Event,
  type Exchange,
  type Happening,
  type Move,
  type Operation,
  type Outcome,
  type Problem,
  type Progress,
  type Reading,
  type Reply,
  type Report,
  type Signal,
  type Standing,
  Subscriber,
  type SubscriberParts,
  type Trouble,
  type Waiting,
} from "./types.ts";

/** A golden case may write `{"json": …}` for a text that holds JSON. */
const body: Shape<Body> = {
  fromHost(value) {
    const { tag, val } = value as { tag: string; val?: string | ArrayLike<number> };
    return tag === "bytes" ? Uint8Array.from(val as ArrayLike<number>) : (val as string | undefined);
  },
  toHost(value, at) {
    must(
      value === undefined || typeof value === "string" || value instanceof Uint8Array,
      at,
      "text or bytes",
    );
    if (value === undefined) {
      return { tag: "empty" };
    }
    return { tag: typeof value === "string" ? "text" : "bytes", val: value };
  },
  fromCase(value, at) {
    if (value === "empty") {
      return undefined;
    }
    const members = object(value, at);
    must(Object.keys(members).length === 1, at, "empty or text or bytes or json");
    if (members["json"] !== undefined) {
      return printJson(members["json"]);
    }
    return members["bytes"] === undefined
      ? text.fromCase(members["text"], `${at}/text`)
      : Uint8Array.from(list(whole(8)).fromCase(members["bytes"], `${at}/bytes`));
  },
  toCase(value) {
    if (typeof value !== "string") {
      return value === undefined ? "empty" : { bytes: [...value] };
    }
    const held = tryParseJson(value);
    return held === undefined ? { text: value } : { json: held };
  },
};

const header = record<Header>({ name: text, value: text });
const headers = list(header);
const fill = record<Fill>({ mark: text, source: text, escape: word("verbatim", "json", "xml", "url") });
const trouble = record<Trouble>({ code: text, message: text });

const request = record<RequestParts>({
  label: text,
  method: text,
  path: text,
  headers,
  body,
  delivery: word("repeatable", "at-most-once"),
  fills: list(fill),
  extras: option(json),
});

const response = made(
  record<Pick<Response, "status" | "headers" | "body">>({ status: whole(16), headers, body }),
  (parts) => new Response(parts.status, parts.headers, parts.body),
);

export const notification = made(
  record<Pick<Notification, "method" | "path" | "headers" | "body" | "receivedAt">>({
    method: text,
    path: text,
    headers,
    body,
    receivedAt: text,
  }),
  (parts) => new Notification(parts.method, parts.path, parts.headers, parts.body, parts.receivedAt),
);

const event = record<Event>({ id: text, name: text, receivedAt: text, variables: json, enclosed: json });

const subscriber = made<SubscriberParts, Subscriber>(
  record<SubscriberParts>({
    accountId: text,
    msisdn: option(text),
    imsi: option(text),
    iccid: option(text),
    documents: json,
  }),
  (parts) => new Subscriber(parts),
);

/** `null` says that nothing stands, and so does silence: one word for it is enough. */
const applied: Shape<Json | undefined> = {
  ...option(json),
  fromHost: (value) => option(json).fromHost(value) ?? undefined,
};

export const operation = record<Operation>({
  id: text,
  group: text,
  iAccount: text,
  began: text,
  event,
  wanted: word("running", "suspended", "gone"),
  subscriber: option(subscriber),
  applied,
  config: json,
  notifyAt: option(text),
  extras: or(json, {}),
});

const exchange = record<Exchange>({
  label: text,
  outcome: variant<Outcome>({ answered: response, unknown: text }),
});

export const entry = record<Entry>({
  at: text,
  what: variant<Happening>({ exchanged: exchange, notified: json, elapsed: undefined }),
});

const decision = variant<Decision>({
  send: request,
  again: trouble,
  renew: trouble,
  wait: record<Waiting>({ seconds: option(whole(32)), forget: flag, givesWay: flag }),
  finish: undefined,
  ignore: text,
  park: trouble,
});

const report = record<Report>({
  group: option(text),
  status: word("ok", "in-progress", "retry", "failed"),
  message: option(text),
});

export const progress = record<Progress>({
  decision,
  reports: list(report),
  applied: evenNull(json),
  keys: list(text),
  extras: option(json),
});

export const move = variant<Move>({
  send: request,
  again: trouble,
  ready: record<Standing>({ value: json, seconds: option(whole(32)) }),
  fail: trouble,
});

const signal = record<Signal>({
  id: option(text),
  correlation: variant<Correlation>({ key: text, iAccount: text, accountId: text }),
  payload: json,
  otherwise: word("keep", "begin", "drop"),
});

/** An adapter may write a reply without its class, and leave out what is empty. */
const reply: Shape<Reply> = {
  fromHost: response.fromHost,
  toHost: (value, at) => response.toHost(answer(value), at),
  fromCase: response.fromCase,
  toCase: (value) => response.toCase(answer(value)),
};

function answer({ status, headers, body }: Reply): Response {
  return new Response(status, headers, body);
}

export const reading = record<Reading>({ reply, signals: list(signal), unread: option(trouble) });

export const problem = record<Problem>({ at: text, message: text });

export const description = record<Description>({
  name: text,
  version: text,
  summary: text,
  queries: list(text),
  configSchema: json as Shape<Description["configSchema"]>,
  secrets: list(text),
  secretFields: list(text),
});
