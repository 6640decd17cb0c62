/**
 * Orders a service for each account from an order management system that speaks REST, and waits until the
 * order is done: by a notification, or by looking from time to time.
 *
 * Begin at `flow`, the life of an operation. Change the paths and the members to those of your system.
 */

import { type Adapter, textOf } from "punchdown-adapter";

import { name, version } from "../package.json";
import { readConfig, schema } from "./config.ts";
import { provision } from "./flow.ts";

const adapter: Adapter = {
  describe: () => ({
    name,
    version,
    summary: "Orders a service for each account by REST.",
    queries: ["account_info"],
    configSchema: schema,
    secrets: [],
    secretFields: [],
  }),

  checkConfig: (config) => readConfig(config).problems,
  provision,

  readNotification(_config, notification) {
    const notice = notification.json() ?? null;
    const order = textOf(notice, "orderId");
    if (order === undefined) {
      const unread = { code: "not-understood", message: "no notice of an order" };
      return { reply: { status: 202 }, signals: [], unread };
    }
    // It may come before the answer that names the order.
    const signal = { correlation: { key: order }, payload: notice, otherwise: "keep" as const };
    return { reply: { status: 204 }, signals: [signal] };
  },
};

export default adapter;
