// SPDX-License-Identifier: MIT
// src/api/schema.ts from docs/openapi.yaml: types of every route and schema. Written only when it changed.
import openapiTS, { astToString } from "openapi-typescript";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const source = new URL("../../docs/openapi.yaml", import.meta.url);
const target = new URL("../src/api/schema.ts", import.meta.url);
const head = "// Made from docs/openapi.yaml by scripts/types.mjs; do not edit.\n";
const text = head + astToString(await openapiTS(source, { defaultNonNullable: false }));
if (!existsSync(target) || readFileSync(target, "utf8") !== text) writeFileSync(target, text);
