// SPDX-License-Identifier: MIT
// Build and tests of the dashboard. The office serves web/dist; in development requests go to PERIGEE_OFFICE.
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const office = process.env["PERIGEE_OFFICE"] ?? "http://127.0.0.1:7373";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: { target: "es2022", sourcemap: false, assetsInlineLimit: 0, chunkSizeWarningLimit: 600 },
  server: {
    host: "127.0.0.1",
    port: 5173,
    proxy: { "/api": office, "/ws": { target: office.replace(/^http/, "ws"), ws: true } },
  },
  test: { include: ["test/**/*.test.ts", "test/**/*.test.tsx"], environment: "node" },
});
