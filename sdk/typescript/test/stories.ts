/** Adapters that are nothing but a flow, and histories for them. */

import {
  type Adapter,
  type Entry,
  type Flow,
  type Json,
  type Operation,
  type Outcome,
  type Progress,
  provision,
  Response,
} from "../src/index.ts";

export type Story = (flow: Flow) => void;

/** What comes next in a story after all that has happened. */
export function told(story: Story, history: Entry[] = []): Progress {
  const adapter: Adapter = {
    describe: unasked,
    checkConfig: () => [],
    provision: story,
    readNotification: unasked,
  };
  return provision(adapter, operation(), history);
}

export function operation(): Operation {
  const began = "2026-01-31T08:00:00Z";
  return {
    id: "operation-1",
    group: "HSS",
    iAccount: "189",
    began,
    event: { id: "1", name: "Account/New", receivedAt: began, variables: {}, enclosed: {} },
    wanted: "running",
    config: {},
    extras: {},
  };
}

export function answered(label: string, body?: string): Entry {
  return exchanged(label, { answered: new Response(200, [], body) });
}

export function unknown(label: string): Entry {
  return exchanged(label, { unknown: "no answer" });
}

export function notified(payload: Json): Entry {
  return { at: "2026-01-31T08:00:20Z", what: { notified: payload } };
}

export function elapsed(): Entry {
  return { at: "2026-01-31T08:00:20Z", what: "elapsed" };
}

/** What a decision sends, and how. */
export function asks({ decision }: Progress): [string, string] | undefined {
  return typeof decision === "object" && "send" in decision
    ? [decision.send.label, decision.send.delivery]
    : undefined;
}

function exchanged(label: string, outcome: Outcome): Entry {
  return { at: "2026-01-31T08:00:20Z", what: { exchanged: { label, outcome } } };
}

function unasked(): never {
  throw new Error("a story is a flow and nothing else");
}
