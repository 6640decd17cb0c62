import { runCases } from "punchdown-adapter/cases";

import adapter from "../src/adapter.ts";

runCases(adapter, "cases");
