// SPDX-License-Identifier: MIT
// What axe finds on pages: node dev/axe.mjs URL PATH… (dark and light, wide and narrow).
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";

const [base, ...paths] = process.argv.slice(2);
const source = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});
let found = 0;
for (const [width, theme] of [[1440, "dark"], [1440, "light"], [390, "light"]]) {
  for (const path of paths) {
    const context = await browser.newContext({ viewport: { width, height: 900 }, bypassCSP: true });
    await context.addInitScript((chosen) => window.localStorage.setItem("perigee.preferences", chosen), JSON.stringify({ theme, language: "en" }));
    const page = await context.newPage();
    await page.goto(base + path);
    await page.waitForTimeout(1200);
    await page.evaluate(source);
    const { violations } = await page.evaluate(() => window.axe.run(document));
    for (const v of violations) {
      found += 1;
      console.log(`${path} ${width} ${theme}: ${v.impact} ${v.id}: ${v.nodes.length}x ${v.nodes[0].html.slice(0, 160)}\n   ${v.nodes[0].failureSummary.split("\n").slice(1, 3).join(" ")}`);
    }
    await context.close();
  }
}
console.log(`${found} findings`);
await browser.close();
