/**
 * Keeps a subscriber for each account in an HSS that speaks REST, and does at once what it is asked.
 *
 * A subscriber is found by its IMSI, so the IMSI is all that is remembered. Change the paths and the members to
 * those of your system.
 */

import {
  type Adapter,
  Applied,
  type Flow,
  isEqual,
  type Json,
  type JsonObject,
  member,
  type Operation,
  Request,
  type Response,
  Settings,
  settings,
  textOf,
} from "punchdown-adapter";

import { name, version } from "../package.json";

/** How often a subscriber is asked for while nobody can say whether it was made. */
const TRIES_MAX = 4;

/** What stands in the HSS for the account, as `applied` remembers it. */
interface Standing {
  imsi: string | null;
}

/** Why it is refused; `undefined`: it is done. */
type Refusal = string | undefined;

const adapter: Adapter = {
  describe: () => ({
    name,
    version,
    summary: "Keeps a subscriber for each account in an HSS, by REST.",
    queries: ["account_info", "sim_card"],
    configSchema: {
      type: "object",
      additionalProperties: false,
      required: ["profiles"],
      properties: {
        profiles: {
          type: "object",
          minProperties: 1,
          additionalProperties: { type: "string" },
          description: "The HSS's profiles, by the names of PortaBilling's products.",
        },
      },
    },
    secrets: [],
    secretFields: [],
  }),

  checkConfig: (config) => readProfiles(config).problems,

  provision(flow: Flow, operation: Operation) {
    const standing = new Applied(stands(flow, operation.applied), { imsi: null });
    const refusal = act(flow, operation, standing);
    standing.say(flow);
    flow.report(refusal === undefined ? "ok" : "failed", refusal);
  },

  /** This HSS never notifies: it has done what it answers. */
  readNotification: () => ({ reply: { status: 204 }, signals: [] }),
};

export default adapter;

function readProfiles(config: Json) {
  return Settings.read(config, (read) => {
    return read.required("profiles", "which profile has which product?", settings.textsByName);
  });
}

function stands(flow: Flow, applied: Json | undefined): Standing {
  const imsi = member(applied ?? { imsi: null }, "imsi");
  if (imsi !== null && typeof imsi !== "string") {
    return flow.park("applied", "what stands was not written by this adapter");
  }
  return { imsi };
}

function act(flow: Flow, operation: Operation, standing: Applied<Standing>): Refusal {
  switch (operation.wanted) {
    case "running":
      return keep(flow, operation, standing);
    case "suspended":
      return suspend(flow, standing);
    case "gone":
      return remove(flow, standing);
  }
}

function keep(flow: Flow, operation: Operation, standing: Applied<Standing>): Refusal {
  const { imsi, msisdn = null } = operation.subscriber ?? {};
  if (imsi === undefined) {
    return flow.park("imsi-unknown", "the account has no SIM card with an IMSI");
  }
  const wanted = { imsi, msisdn, profile: profileOf(flow, operation), state: "active" };
  if (standing.stands.imsi !== null && standing.stands.imsi !== imsi) {
    // Another card: the old one is not left in the network.
    const refusal = remove(flow, standing);
    if (refusal !== undefined) {
      return refusal;
    }
  }
  const found = look(flow, standing, imsi);
  return found === undefined ? create(flow, standing, wanted) : change(flow, standing, found, wanted);
}

function profileOf(flow: Flow, operation: Operation): string {
  const named = operation.subscriber?.document("/account_info/product_name");
  const product = typeof named === "string" ? named : "";
  const profile = readProfiles(operation.config).value?.get(product);
  return profile ?? flow.park("profile-unknown", `no profile for the product \`${product}\``);
}

function create(flow: Flow, standing: Applied<Standing>, wanted: { imsi: string } & JsonObject): Refusal {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    standing.stands.imsi = wanted.imsi;
    standing.say(flow); // Before it is made: the answer may be lost.
    const acted = flow.act("create", Request.post("/subscribers").json(wanted));
    // A proxy's answer is as good as none.
    const answer = acted.is === "answered" && acted.response.status < 500 ? acted.response : undefined;
    if (answer?.isSuccess) {
      return undefined;
    }
    if (acted.is === "answered" && isTroubleOfTheGroup(acted.response)) {
      return busy(flow, "create", acted.response);
    }
    // Its answer was lost, or one that was lost before has made it after all.
    const found = look(flow, standing, wanted.imsi);
    if (found !== undefined) {
      return change(flow, standing, found, wanted);
    }
    if (answer !== undefined && answer.status >= 400) {
      standing.stands.imsi = null;
      return reason("create", answer);
    }
  }
  return flow.park("in-doubt", "nobody can say whether the subscriber was made");
}

/** Who must not be served is switched off, and the record kept. */
function suspend(flow: Flow, standing: Applied<Standing>): Refusal {
  const { imsi } = standing.stands;
  if (imsi === null) {
    return undefined;
  }
  const found = look(flow, standing, imsi);
  if (found !== undefined) {
    return change(flow, standing, found, { imsi, state: "suspended" });
  }
  standing.stands.imsi = null;
  return undefined;
}

function remove(flow: Flow, standing: Applied<Standing>): Refusal {
  const { imsi } = standing.stands;
  const found = imsi === null ? undefined : look(flow, standing, imsi);
  if (found !== undefined) {
    const response = flow.ask("delete", at(found, "DELETE"));
    const refusal = response.status === 404 ? undefined : judged(flow, "delete", response);
    if (refusal !== undefined) {
      return refusal;
    }
  }
  standing.stands.imsi = null;
  return undefined;
}

/** Changes what was found, where it is not yet as it is wanted. */
function change(
  flow: Flow,
  standing: Applied<Standing>,
  found: Json,
  wanted: { imsi: string } & JsonObject,
): Refusal {
  standing.stands.imsi = wanted.imsi;
  standing.say(flow);
  const other = Object.entries(wanted).filter(
    ([name, value]) => !isEqual(member(found, name) ?? null, value),
  );
  if (other.length === 0) {
    return undefined;
  }
  const response = flow.ask("change", at(found, "PATCH").json(Object.fromEntries(other)));
  return judged(flow, "change", response);
}

/** The subscriber of that IMSI. An answer that is not 2xx never means that there is none. */
function look(flow: Flow, standing: Applied<Standing>, imsi: string): Json | undefined {
  standing.say(flow);
  const response = flow.ask("look", Request.get("/subscribers").query("imsi", imsi));
  const found = response.json();
  if (!response.isSuccess || !Array.isArray(found)) {
    return flow.again("look-failed", `look: ${response.status}`);
  }
  const ours = found.find((one) => member(one, "imsi") === imsi);
  if (ours !== undefined && textOf(ours, "id") === undefined) {
    return flow.park("not-understood", "the subscriber has no id that is a text");
  }
  return ours;
}

/** A request to the subscriber that was found. */
function at(found: Json, method: string): Request {
  return Request.of(method, "/subscribers").segment(textOf(found, "id") ?? "");
}

/** What the answer to a request that may be repeated means. */
function judged(flow: Flow, label: string, response: Response): Refusal {
  if (response.isSuccess) {
    return undefined;
  }
  return isTroubleOfTheGroup(response) || response.status >= 500
    ? busy(flow, label, response)
    : reason(label, response);
}

/** Nothing was done, and it is not the account's fault. */
function isTroubleOfTheGroup({ status }: Response): boolean {
  return [401, 403, 408, 429, 503].includes(status);
}

/** Later. */
function busy(flow: Flow, label: string, response: Response): never {
  return flow.again("busy", `${label}: ${response.status}`);
}

/** Why it is refused, in the system's own words where it has some. */
function reason(label: string, response: Response): string {
  return textOf(response.json(), "reason") ?? `${label}: ${response.status}`;
}
