/** What stands in the system for the account, as `applied` remembers it. */

import { isObject, type Json, member, textOf } from "punchdown-adapter";

export interface Standing {
  service: Service | null;
  /** An order whose end is not known. */
  order: Asked | null;
}

export interface Service {
  profile: string;
  state: string;
}

export interface Asked {
  external_id: string;
  /** `null` until the system said so. */
  id: string | null;
  /** What stands when it is done. */
  leaves: Service | null;
}

export const NOTHING: Standing = { service: null, order: null };

/** Reads what stands; `undefined` when this adapter cannot have written it. */
export function readStanding(applied: Json | undefined): Standing | undefined {
  if (applied === undefined) {
    return NOTHING;
  }
  const service = readService(member(applied, "service"));
  const order = readOrder(member(applied, "order"));
  return isObject(applied) && service !== undefined && order !== undefined ? { service, order } : undefined;
}

function readService(value: Json = null): Service | null | undefined {
  const [profile, state] = [textOf(value, "profile"), textOf(value, "state")];
  if (value === null) {
    return null;
  }
  return profile === undefined || state === undefined ? undefined : { profile, state };
}

function readOrder(value: Json = null): Asked | null | undefined {
  const [external_id, leaves] = [textOf(value, "external_id"), readService(member(value, "leaves"))];
  if (value === null) {
    return null;
  }
  const id = textOf(value, "id") ?? null;
  return external_id === undefined || leaves === undefined ? undefined : { external_id, id, leaves };
}
