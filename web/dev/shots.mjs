// SPDX-License-Identifier: MIT
// Pictures of pages: node dev/shots.mjs URL FOLDER NAME:PATH[:WIDTHxHEIGHT[:theme[:language[:colours]]]]…
// Prints what the browser complained about. A step after "!" is clicked by its text before the picture is taken.
import { chromium } from "playwright-core";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

const [base, folder, ...shots] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});
for (const shot of shots) {
  const [spec, ...steps] = shot.split("!");
  const [name, path, size = "1440x900", theme = "dark", language = "en", colours = "western"] = spec.split("|");
  const [width, height] = size.split("x").map(Number);
  const context = await browser.newContext({ viewport: { width, height }, hasTouch: width < 600, isMobile: width < 600 });
  await context.addInitScript((chosen) => {
    if (!window.localStorage.getItem("perigee.preferences")) window.localStorage.setItem("perigee.preferences", chosen);
  }, JSON.stringify({ theme, language, colours, density: "compact" }));
  const page = await context.newPage();
  page.on("console", (m) => { if (m.type() === "error" || m.type() === "warning") console.log(`${name}: ${m.text()}`); });
  page.on("pageerror", (e) => console.log(`${name}: ${e.message}`));
  await page.goto(base + path, { waitUntil: "load" });
  await page.waitForTimeout(1500);
  for (const step of steps) {
    if (step.startsWith("key=")) await page.keyboard.press(step.slice(4));
    else if (step.startsWith("type=")) await page.keyboard.type(step.slice(5));
    else if (step.startsWith("css=")) await page.click(step.slice(4));
    else await page.getByRole("button", { name: step }).first().click();
    await page.waitForTimeout(500);
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) console.log(`${name}: ${wide}px too wide`);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await context.close();
}
await browser.close();
