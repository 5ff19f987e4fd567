// SPDX-License-Identifier: MIT
// Runs after the installation. A package manager leaves out optional packages that its own node is too old for, and the
// bundler's compiled parts are such packages. With Debian's node they are missing now: the node that has just been
// installed puts them in.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("..", import.meta.url));
const node = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url));
const loads = () => spawnSync(node, ["--input-type=module", "--eval", 'await import("rolldown"); await import("@tailwindcss/oxide");'], { cwd: folder }).status === 0;

if (!loads()) {
  const npm = process.env.npm_execpath;
  if (!npm) throw new Error("install with npm: its address is needed to finish the installation");
  spawnSync(node, [npm, "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder, stdio: "inherit" });
  if (!loads()) throw new Error("the bundler's compiled parts are missing: remove web/node_modules and build again");
}
