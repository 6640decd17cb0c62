/** The life of an operation: settle what an earlier one left open, order, wait for the end. */

import {
  Applied,
  type Flow,
  type Json,
  type Operation,
  Request,
  type Response,
  textOf,
} from "punchdown-adapter";

import { type Config, readConfig } from "./config.ts";
import { type End, endOf, type Order, readOrder } from "./order.ts";
import { NOTHING, readStanding, type Service, type Standing } from "./standing.ts";

/** How often an order is sent while nobody can say whether it arrived. */
const TRIES_MAX = 4;

/** What to order so that the system agrees with PortaBilling. */
interface Next {
  action: "add" | "change" | "delete";
  service: Service;
}

export function provision(flow: Flow, operation: Operation): void {
  const config = readConfig(operation.config).value;
  if (config === undefined) {
    return flow.park("configuration", "it is not as it was checked");
  }
  const stands = readStanding(operation.applied);
  if (stands === undefined) {
    return flow.park("applied", "what stands was not written by this adapter");
  }
  const standing = new Applied(stands, NOTHING);
  settleEarlier(flow, config, standing);
  const next = nextOrder(flow, config, operation, standing);
  const end = next === undefined ? "done" : order(flow, config, operation, standing, next);
  standing.say(flow);
  if (end === "done") {
    flow.report("ok");
  } else {
    flow.report("failed", end.refused);
  }
}

/** `undefined`: the system agrees already. */
function nextOrder(
  flow: Flow,
  config: Config,
  operation: Operation,
  standing: Applied<Standing>,
): Next | undefined {
  const { service } = standing.stands;
  if (operation.wanted === "running") {
    const profile = profileOf(flow, config, operation, standing);
    return { action: service === null ? "add" : "change", service: { profile, state: "active" } };
  }
  if (service === null) {
    return undefined;
  }
  return operation.wanted === "suspended"
    ? { action: "change", service: { ...service, state: "suspended" } }
    : { action: "delete", service };
}

function profileOf(flow: Flow, config: Config, operation: Operation, standing: Applied<Standing>): string {
  const named = operation.subscriber?.document("/account_info/product_name");
  const product = typeof named === "string" ? named : "";
  const profile = config.profiles.get(product);
  if (profile === undefined) {
    standing.say(flow);
    return flow.park("profile-unknown", `no profile for the product \`${product}\``);
  }
  return profile;
}

function order(
  flow: Flow,
  config: Config,
  operation: Operation,
  standing: Applied<Standing>,
  next: Next,
): End {
  const leaves = next.action === "delete" ? null : next.service;
  standing.stands.order = { external_id: operation.id, id: null, leaves };
  standing.say(flow); // Before it is ordered: the answer may be lost.
  const body = {
    externalId: operation.id,
    account: operation.iAccount,
    action: next.action,
    ...next.service,
  };
  const placed = place(flow, config, operation.id, body);
  const end = "refused" in placed ? placed : followNew(flow, config, standing, placed);
  standing.stands.order = null;
  if (end === "done") {
    standing.stands.service = leaves;
  }
  return end;
}

/** What was ordered has a name of its own now. */
function followNew(flow: Flow, config: Config, standing: Applied<Standing>, placed: Order): End {
  flow.key(placed.id);
  if (standing.stands.order !== null) {
    standing.stands.order.id = placed.id;
  }
  standing.say(flow);
  return follow(flow, config, placed);
}

/** An earlier operation may have left an order open. It is cancelled; what counts is how it ended. */
function settleEarlier(flow: Flow, config: Config, standing: Applied<Standing>): void {
  const asked = standing.stands.order;
  if (asked === null) {
    return;
  }
  asked.id ??= find(flow, asked.external_id)?.id ?? null;
  if (asked.id !== null) {
    flow.key(asked.id); // News of it is ours from now on.
    standing.say(flow);
    const response = flow.ask("cancel", Request.post("/orders").segment(asked.id).segment("cancel"));
    if (isTroubleOfTheGroup(response) || response.status >= 500) {
      flow.again("busy", `cancel: ${response.status}`);
    }
    // A refusal is as good an answer as any: a look says what came of it.
    const found = look(flow, asked.id);
    if (found !== undefined && follow(flow, config, found) === "done") {
      standing.stands.service = asked.leaves;
    }
  }
  standing.stands.order = null;
}

/**
 * Orders once. When nobody knows whether the order arrived, it is looked for, and sent again only when it is
 * not there.
 */
function place(flow: Flow, config: Config, externalId: string, body: Json): Order | { refused: string } {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const acted = flow.act("order", Request.post("/orders").json(body));
    const answer = acted.is === "answered" ? said(flow, acted.response) : undefined;
    if (answer !== undefined) {
      return answer;
    }
    const found = find(flow, externalId);
    if (found !== undefined) {
      return found;
    }
    // What is not there at once may be under way still.
    flow.wait({ seconds: config.pollSeconds });
    const foundLater = find(flow, externalId);
    if (foundLater !== undefined) {
      return foundLater;
    }
  }
  return flow.park("in-doubt", "nobody can say whether the order was taken");
}

/** What the answer to an order says. `undefined`: it may be a proxy's, which is as good as none. */
function said(flow: Flow, response: Response): Order | { refused: string } | undefined {
  if (isTroubleOfTheGroup(response)) {
    return flow.again("busy", `order: ${response.status}`);
  }
  if (response.status >= 400 && response.status < 500) {
    return { refused: textOf(response.json(), "reason") ?? `order: ${response.status}` };
  }
  return response.isSuccess ? readOrder(response.json()) : undefined;
}

/** Sleeps until the order has come to its end. */
function follow(flow: Flow, config: Config, placed: Order): End {
  const end = endOf(placed);
  if (end !== undefined) {
    return end;
  }
  const wait = { seconds: config.pollSeconds, givesWay: true };
  const woken = flow.wait(wait);
  const told = woken.is === "notified" ? readOrder(woken.payload) : look(flow, placed.id);
  if (woken.is === "elapsed" && told === undefined) {
    return flow.park("order-lost", "the order was taken, and is not there any more");
  }
  const news = told?.id === placed.id || woken.is === "elapsed" ? endOf(told) : undefined;
  // What is no news, such as a notice of another order, does not end the wait.
  return news ?? flow.waitOn(wait);
}

/** The order of that id. `undefined`: it is not there. */
function look(flow: Flow, id: string): Order | undefined {
  const response = flow.ask("look", Request.get("/orders").segment(id));
  if (response.status === 404) {
    return undefined;
  }
  const shown = response.isSuccess ? readOrder(response.json()) : undefined;
  return shown ?? flow.again("look-failed", `look: ${response.status}`);
}

/** The order that has our name. An answer that is not 2xx never means that it is not there. */
function find(flow: Flow, externalId: string): Order | undefined {
  const response = flow.ask("find", Request.get("/orders").query("externalId", externalId));
  const orders = response.json();
  if (!response.isSuccess || !Array.isArray(orders)) {
    return flow.again("look-failed", `find: ${response.status}`);
  }
  const found = orders.find((one) => textOf(one, "externalId") === externalId);
  if (found === undefined) {
    return undefined;
  }
  // It is there: what cannot be read must not be ordered once more.
  return readOrder(found) ?? flow.park("not-understood", "the order has no id and state that are texts");
}

/** Nothing was done, and it is not the account's fault. */
function isTroubleOfTheGroup({ status }: Response): boolean {
  return [401, 403, 408, 429, 503].includes(status);
}
