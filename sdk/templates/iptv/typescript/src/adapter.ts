/**
 * Keeps a customer for each account in an IPTV system that wants a log-in first and takes forms.
 *
 * A customer is found by its login name, so that name is all that is remembered. Change the paths and the
 * fields to those of your system.
 */

import {
  type Adapter,
  Applied,
  type Errand,
  type Flow,
  type Json,
  member,
  type Operation,
  Request,
  type Response,
  Settings,
  settings,
  type Standing,
  type Subscriber,
  textOf,
} from "punchdown-adapter";

import { name, version } from "../package.json";

/** How often a customer is asked for while nobody can say whether it was made. */
const TRIES_MAX = 4;

/** A group's configuration. */
interface Config {
  /** The system's packages, by the names of PortaBilling's products. */
  packages: Map<string, string>;
  /** The custom field that holds a customer's password. */
  passwordField: string;
}

/** What stands in the system for the account, as `applied` remembers it. */
interface Customer {
  login: string | null;
}

/** Why it is refused; `undefined`: it is done. */
type Refusal = string | undefined;

const adapter: Adapter = {
  describe: () => ({
    name,
    version,
    summary: "Keeps a customer for each account in an IPTV system.",
    queries: ["account_info", "custom_fields"],
    configSchema: {
      type: "object",
      additionalProperties: false,
      required: ["packages"],
      properties: {
        packages: {
          type: "object",
          minProperties: 1,
          additionalProperties: { type: "string" },
          description: "The system's packages, by the names of PortaBilling's products.",
        },
        password_field: {
          type: "string",
          minLength: 1,
          default: "iptv_password",
          description: "The custom field that holds a customer's password.",
        },
      },
    },
    secrets: ["user", "password"],
    // What custom fields hold: one of them is the password.
    secretFields: ["db_value", "text_value"],
  }),

  checkConfig: (config) => readConfig(config).problems,

  provision(flow: Flow, operation: Operation) {
    const standing = new Applied(stands(flow, operation.applied), { login: null });
    const refusal = act(flow, operation, standing);
    standing.say(flow);
    flow.report(refusal === undefined ? "ok" : "failed", refusal);
  },

  /** This system never notifies: it has done what it answers. */
  readNotification: () => ({ reply: { status: 204 }, signals: [] }),

  logIn,
};

export default adapter;

function logIn(errand: Errand): Standing {
  // The host puts the secrets in as the request leaves.
  const request = Request.post("/login")
    .text("application/x-www-form-urlencoded", "user=@@user@@&password=@@password@@")
    .fill("@@user@@", "secret.user", "url")
    .fill("@@password@@", "secret.password", "url");
  const response = errand.ask("log-in", request);
  const said = response.json();
  const token = textOf(said, "token");
  if (response.isSuccess && token !== undefined) {
    const seconds = member(said, "expires_in");
    return { value: { token }, seconds: typeof seconds === "number" ? seconds : undefined };
  }
  return [400, 401, 403].includes(response.status)
    ? errand.fail("refused", reason("log-in", response))
    : errand.again("busy", `log-in: ${response.status}`);
}

function readConfig(config: Json) {
  return Settings.read<Config>(config, (read) => ({
    packages: read.required("packages", "which package has which product?", settings.textsByName),
    passwordField: read.or("password_field", "iptv_password", settings.text),
  }));
}

function stands(flow: Flow, applied: Json | undefined): Customer {
  const login = member(applied ?? { login: null }, "login");
  if (login !== null && typeof login !== "string") {
    return flow.park("applied", "what stands was not written by this adapter");
  }
  return { login };
}

function act(flow: Flow, operation: Operation, standing: Applied<Customer>): Refusal {
  const { wanted, subscriber } = operation;
  if (wanted === "gone") {
    return remove(flow, standing);
  }
  if (wanted === "suspended") {
    return suspend(flow, standing);
  }
  if (subscriber === undefined) {
    return flow.park("subscriber", "nothing is known of the account");
  }
  const config = readConfig(operation.config).value;
  if (config === undefined) {
    return flow.park("configuration", "it is not as it was checked");
  }
  return keep(flow, config, subscriber, standing);
}

function keep(flow: Flow, config: Config, subscriber: Subscriber, standing: Applied<Customer>): Refusal {
  const wanted = { package: packageOf(flow, config, subscriber), state: "active" };
  // An account may be renamed: its customer keeps the name that it has.
  const login = standing.stands.login ?? subscriber.accountId.split("@")[0] ?? "";
  const found = look(flow, login);
  if (found !== undefined) {
    standing.stands.login = login;
    return change(flow, standing, found, wanted);
  }
  const password = passwordOf(config, subscriber);
  if (password === undefined) {
    return flow.park("password-unknown", `the account has no custom field \`${config.passwordField}\``);
  }
  return create(flow, standing, { login, password, ...wanted });
}

type Wanted = { package: string; state: string };

function create(
  flow: Flow,
  standing: Applied<Customer>,
  fields: { login: string; password: string } & Wanted,
): Refusal {
  const { login, password: _, ...wanted } = fields;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    standing.stands.login = login;
    standing.say(flow); // Before it is made: the answer may be lost.
    const acted = flow.act("create", withSession(Request.post("/customers").form(fields)));
    // A proxy's answer is as good as none.
    const answer = acted.is === "answered" && acted.response.status < 500 ? acted.response : undefined;
    if (answer?.isSuccess) {
      return undefined;
    }
    if (acted.is === "answered" && isTroubleOfTheGroup(acted.response)) {
      return later(flow, "create", acted.response);
    }
    // Its answer was lost, or one that was lost before has made it after all.
    const found = look(flow, login);
    if (found !== undefined) {
      return change(flow, standing, found, wanted);
    }
    if (answer !== undefined && answer.status >= 400) {
      standing.stands.login = null;
      return reason("create", answer);
    }
  }
  return flow.park("in-doubt", "nobody can say whether the customer was made");
}

function packageOf(flow: Flow, config: Config, subscriber: Subscriber): string {
  const named = subscriber.document("/account_info/product_name");
  const product = typeof named === "string" ? named : "";
  return (
    config.packages.get(product) ?? flow.park("package-unknown", `no package for the product \`${product}\``)
  );
}

function passwordOf(config: Config, subscriber: Subscriber): string | undefined {
  const fields = member(subscriber.documents, "custom_fields");
  const list = Array.isArray(fields) ? fields : [];
  const field = list.find((one) => textOf(one, "name") === config.passwordField);
  return textOf(field, "db_value") || undefined;
}

/** Who must not watch is switched off, and the record kept. */
function suspend(flow: Flow, standing: Applied<Customer>): Refusal {
  const { login } = standing.stands;
  const found = login === null ? undefined : look(flow, login);
  if (found !== undefined) {
    return change(flow, standing, found, { state: "suspended" });
  }
  standing.stands.login = null;
  return undefined;
}

function remove(flow: Flow, standing: Applied<Customer>): Refusal {
  const { login } = standing.stands;
  const found = login === null ? undefined : look(flow, login);
  if (found !== undefined) {
    const response = flow.ask("delete", withSession(at(found, "DELETE")));
    const refusal = response.status === 404 ? undefined : judged(flow, "delete", response);
    if (refusal !== undefined) {
      return refusal;
    }
  }
  standing.stands.login = null;
  return undefined;
}

/** Changes what was found, where it is not yet as it is wanted. */
function change(
  flow: Flow,
  standing: Applied<Customer>,
  found: Json,
  wanted: Record<string, string>,
): Refusal {
  standing.say(flow);
  const other = Object.entries(wanted).filter(([field, value]) => member(found, field) !== value);
  if (other.length === 0) {
    return undefined;
  }
  const request = at(found, "PUT").form(Object.fromEntries(other));
  return judged(flow, "change", flow.ask("change", withSession(request)));
}

/** The customer of that login name. An answer that is not 2xx never means that there is none. */
function look(flow: Flow, login: string): Json | undefined {
  const response = flow.ask("look", withSession(Request.get("/customers").query("login", login)));
  const found = response.json();
  if (!response.isSuccess || !Array.isArray(found)) {
    return later(flow, "look", response);
  }
  const ours = found.find((one) => member(one, "login") === login);
  if (ours !== undefined && textOf(ours, "id") === undefined) {
    return flow.park("not-understood", "the customer has no id that is a text");
  }
  return ours;
}

/** A request to the customer that was found. */
function at(found: Json, method: string): Request {
  return Request.of(method, "/customers").segment(textOf(found, "id") ?? "");
}

/** Puts the token in as the request leaves. A system that wants it in `x-token` has no `Bearer` before it. */
function withSession(request: Request): Request {
  return request.header("authorization", "Bearer @@token@@").fill("@@token@@", "session.token", "verbatim");
}

/** What the answer to a request that may be repeated means. */
function judged(flow: Flow, label: string, response: Response): Refusal {
  if (response.isSuccess) {
    return undefined;
  }
  return isTroubleOfTheGroup(response) || response.status >= 500
    ? later(flow, label, response)
    : reason(label, response);
}

/** Nothing was done, and it is not the account's fault. */
function isTroubleOfTheGroup({ status }: Response): boolean {
  return [401, 403, 408, 429, 503].includes(status);
}

/** It is the trouble of the session or of the group, and not of the account. */
function later(flow: Flow, label: string, { status }: Response): never {
  return status === 401
    ? flow.renew("session-ended", `${label}: 401`)
    : flow.again("busy", `${label}: ${status}`);
}

/** Why it is refused, in the system's own words where it has some. */
function reason(label: string, response: Response): string {
  return textOf(response.json(), "reason") ?? `${label}: ${response.status}`;
}
