/** An order as the system shows it. */

import { type Json, textOf } from "punchdown-adapter";

export interface Order {
  id: string;
  state: string;
  reason: string | undefined;
}

/** How an order ended: why it was refused, or that it was done. */
export type End = { refused: string } | "done";

export function readOrder(shown: Json | undefined): Order | undefined {
  const id = textOf(shown, "id") ?? textOf(shown, "orderId"); // As a notification calls it.
  const state = textOf(shown, "state");
  return id === undefined || state === undefined ? undefined : { id, state, reason: textOf(shown, "reason") };
}

/** `undefined`: it goes on, and so does a state that nobody knows. */
export function endOf(order: Order | undefined): End | undefined {
  switch (order?.state) {
    case "done":
      return "done";
    case "failed":
    case "cancelled":
      return { refused: order.reason ?? order.state };
    default:
      return undefined;
  }
}
