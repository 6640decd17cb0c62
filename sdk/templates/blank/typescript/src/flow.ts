/** The life of an operation: find what stands, then make, change or remove it. */

import {
  type Flow,
  type Operation,
  type Request,
  type Response,
  type Subscriber,
  textOf,
} from "punchdown-adapter";

import { type Config, productOf, profileOf, readConfig } from "./config.ts";
import { type Answer, call, type Fault, read } from "./wire.ts";

/** How often a service is asked for while nobody can say whether it was made. */
const TRIES_MAX = 4;
/** What was asked for and is not there yet may still be under way. */
const UNDER_WAY_SECONDS = 60;
/** The code of a fault that is the answer to a question. */
const NOT_FOUND = "Client.NotFound";
/** Somebody has made it already; perhaps we, and its answer was lost. */
const EXISTS = "Client.Exists";

/** What the system is to have. */
interface Service {
  number: string;
  profile: string;
  state: "active" | "suspended";
}

export function provision(flow: Flow, operation: Operation): void {
  const config = readConfig(operation.config).value;
  if (config === undefined) {
    return flow.park("configuration", "it is not as it was checked");
  }
  new Life(flow, config).agree(operation);
}

class Life {
  constructor(
    readonly flow: Flow,
    readonly config: Config,
  ) {}

  /** Makes the system agree with PortaBilling. */
  agree({ wanted, subscriber, applied }: Operation): void {
    const [id, number] = [textOf(applied, "id"), textOf(applied, "number")];
    // It was asked for, and nobody knows what became of that: what it was asked for under is known.
    const known = id === undefined && number !== undefined ? this.look(number) : id;
    if (wanted === "gone") {
      this.remove(known);
    } else if (subscriber === undefined) {
      this.flow.park("subscriber", "there is no subscriber");
    } else {
      this.keep(wanted === "running" ? "active" : "suspended", subscriber, known);
    }
  }

  keep(state: Service["state"], subscriber: Subscriber, known: string | undefined): void {
    const profile = profileOf(this.config, subscriber);
    if (profile === undefined) {
      return this.flow.park("profile-unknown", `no profile for the product \`${productOf(subscriber)}\``);
    }
    // The part of the account ID that the system knows.
    const [number = ""] = subscriber.accountId.split("@");
    const service = { number, profile, state };
    const found = known ?? this.look(number);
    const id = found === undefined ? this.add(service) : this.change(found, service);
    if (id !== undefined) {
      this.flow.applied({ id, number });
      this.flow.report("ok");
    }
  }

  /** The id of the service of that number, where there is one. */
  look(number: string): string | undefined {
    const answer = this.judged(this.ask("look", "GetService", { number }));
    if (answer.is === "done") {
      return answer.text("id");
    }
    return answer.code === NOT_FOUND ? undefined : this.flow.again(answer.code, answer.why);
  }

  /** `undefined`: it is refused, and that is reported. */
  add(service: Service): string | undefined {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      // Before it is asked for: its answer may be lost.
      this.flow.applied({ number: service.number });
      const acted = this.flow.act("add", this.call("AddService", { ...service }));
      const made = acted.is === "answered" ? this.made(acted.response) : "unknown";
      if (made !== "unknown") {
        return made.is === "done" ? made.text("id") : this.refused(made.why);
      }
      const id = this.lookTwice(service.number);
      if (id !== undefined) {
        return this.change(id, service);
      }
    }
    return this.flow.park("unanswered", "nobody can say whether the service was made");
  }

  /** Whoever speaks for the system, such as a proxy, knows nothing of what it did: as good as no answer. */
  made(response: Response): Exclude<Answer, { is: "unclear" }> | "unknown" {
    if (read(response).is === "unclear") {
      return "unknown";
    }
    const answer = this.judged(response);
    if (answer.is === "done") {
      return answer.text("id") === undefined ? "unknown" : answer;
    }
    return answer.code === EXISTS ? "unknown" : answer;
  }

  /** What is not there at once may come yet. */
  lookTwice(number: string): string | undefined {
    const id = this.look(number);
    if (id !== undefined) {
      return id;
    }
    this.flow.wait({ seconds: UNDER_WAY_SECONDS });
    return this.look(number);
  }

  change(id: string, service: Service): string | undefined {
    this.flow.applied({ id, number: service.number });
    const answer = this.judged(this.ask("change", "ChangeService", { id, ...service }));
    if (answer.is === "done") {
      return id;
    }
    if (answer.code !== NOT_FOUND) {
      return this.refused(answer.why);
    }
    // Somebody has removed it by hand, and may have made another one.
    const other = this.look(service.number);
    return other === undefined || other === id ? this.add(service) : this.change(other, service);
  }

  remove(id: string | undefined): void {
    if (id !== undefined) {
      const answer = this.judged(this.ask("remove", "RemoveService", { id }));
      if (answer.is === "fault" && answer.code !== NOT_FOUND) {
        this.refused(answer.why);
        return;
      }
    }
    this.flow.nothingApplied();
    this.flow.report("ok");
  }

  refused(why: string): undefined {
    this.flow.report("failed", why);
  }

  /** What the system did, or the fault that it named. What says nothing of the request is asked again. */
  judged(response: Response): Exclude<Answer, { is: "unclear" }> {
    const answer = read(response);
    if (answer.is === "unclear") {
      return this.flow.again("unclear", answer.why);
    }
    if (answer.is === "fault") {
      this.judgedFault(answer);
    }
    return answer;
  }

  judgedFault({ code, why }: Fault): void {
    if (code === "Client.Session") {
      this.flow.renew("session-ended", why);
    }
    if (code === "Server.Busy") {
      this.flow.again("busy", why);
    }
  }

  ask(label: string, name: string, members: Record<string, string>): Response {
    return this.flow.ask(label, this.call(name, members));
  }

  call(name: string, members: Record<string, string>): Request {
    return call(this.config.path, name, members);
  }
}
