/** An {@link Adapter} as the component that the host loads. Nothing else knows the bindings. */

// @ts-expect-error The component's bindings are there when it is built, and only then.
import * as host from "punchdown:adapter/log@0.9.0";

import { type Adapter, logIn, provision, registerAt, unregister } from "./adapter.ts";
import * as contract from "./contract.ts";
import { json, list, option } from "./shapes.ts";
import { log, logBy } from "./log.ts";
import { mapped } from "./places.ts";

const history = list(contract.entry);
const standing = option(json);

/** The exports of a component: take those of the interfaces that it has. */
export function exportAdapter(adapter: Adapter) {
  logBy(host.write);
  const questions = {
    externalSystem: {
      describe: () => contract.description.toHost(adapter.describe(), ""),

      checkConfig: (config: string) => {
        return list(contract.problem).toHost(adapter.checkConfig(json.fromHost(config)), "");
      },

      provision: (operation: unknown, happened: unknown) => {
        const given = contract.operation.fromHost(operation);
        return contract.progress.toHost(provision(adapter, given, history.fromHost(happened)), "");
      },

      readNotification: (config: string, notification: unknown) => {
        const given = contract.notification.fromHost(notification);
        return contract.reading.toHost(adapter.readNotification(json.fromHost(config), given), "");
      },
    },

    session: {
      logIn: (config: string, happened: unknown) => {
        return contract.move.toHost(logIn(adapter, json.fromHost(config), history.fromHost(happened)), "");
      },
    },

    registration: {
      registerAt: (config: string, address: string, stands: unknown, happened: unknown) => {
        const [given, before] = [json.fromHost(config), standing.fromHost(stands)];
        return contract.move.toHost(
          registerAt(adapter, given, address, before, history.fromHost(happened)),
          "",
        );
      },

      unregister: (config: string, stands: string, happened: unknown) => {
        const [given, before] = [json.fromHost(config), json.fromHost(stands)];
        return contract.move.toHost(unregister(adapter, given, before, history.fromHost(happened)), "");
      },
    },
  };
  for (const part of Object.values<Questions>(questions)) {
    for (const [name, question] of Object.entries(part)) {
      part[name] = withLastWords(question);
    }
  }
  return questions;
}

type Question = (...given: any[]) => unknown;
type Questions = Record<string, Question>;

/** Has an exception say where and why in the author's own lines, before it stops the component. */
function withLastWords(question: Question): Question {
  return (...given) => {
    try {
      return question(...given);
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(`thrown: ${String(thrown)}`);
      error.stack = mapped(error.stack ?? "");
      const places: string[] = error.stack.match(/[^\s(]+\.ts:\d+/g) ?? [];
      const place = places.find((at) => !at.startsWith("sdk/")) ?? places[0];
      log("error", place === undefined ? error.message : `${error.message} (${place})`);
      throw error;
    }
  };
}
