/**
 * A blank adapter, to begin one of your own with: for a system that speaks SOAP and wants a log-in first, as
 * many platforms for VoIP, WiMAX, network access, number portability or lawful interception do.
 *
 * It keeps one service for each account in a system that nobody sells, so change what is its own: the words of
 * `wire`, the settings of `config`, and what `flow` remembers. What it shows is the shape: look before you
 * create, remember what you made as soon as you ask for it, look again when an answer is lost, and judge an
 * answer by what it says and not by its status code.
 */

import type { Adapter, Errand, Json, Standing } from "punchdown-adapter";

import { name, version } from "../package.json";
import { readConfig, schema } from "./config.ts";
import { provision } from "./flow.ts";
import { logInCall, read } from "./wire.ts";

const adapter: Adapter = {
  describe: () => ({
    name,
    version,
    summary: "Keeps a service for each account in a system that speaks SOAP.",
    queries: ["account_info"],
    configSchema: schema,
    secrets: ["user", "password"],
    secretFields: ["session"],
  }),

  checkConfig: (config) => readConfig(config).problems,
  provision,

  /** This system never notifies: it has done what it answers. */
  readNotification: () => ({ reply: { status: 204 }, signals: [] }),

  logIn,
};

function logIn(errand: Errand, config: Json): Standing {
  const path = readConfig(config).value?.path;
  if (path === undefined) {
    return errand.fail("configuration", "it is not as it was checked");
  }
  const answer = read(errand.ask("log-in", logInCall(path)));
  if (answer.is === "done") {
    const session = answer.text("session");
    if (session === undefined) {
      return errand.fail("no-session", "it let us in and gave no session");
    }
    const seconds = answer.text("seconds") ?? "";
    return { value: { id: session }, seconds: /^\d+$/.test(seconds) ? Number(seconds) : undefined };
  }
  return answer.is === "fault" && answer.code === "Client.Login"
    ? errand.fail("refused", answer.why)
    : errand.again("busy", answer.why);
}

export default adapter;
