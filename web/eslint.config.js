// SPDX-License-Identifier: MIT
import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "node_modules", "src/api/schema.ts"] },
  js.configs.recommended,
  {
    files: ["**/*.mjs", "eslint.config.js", "public/*.js"],
    languageOptions: {
      globals: { process: "readonly", console: "readonly", setInterval: "readonly", setTimeout: "readonly",
        clearInterval: "readonly", clearTimeout: "readonly", Buffer: "readonly", URL: "readonly", globalThis: "readonly", document: "readonly", window: "readonly",
        localStorage: "readonly", matchMedia: "readonly", fetch: "readonly" },
    },
  },
  {
    files: ["src/**/*.{ts,tsx}", "test/**/*.{ts,tsx}"],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    plugins: { "react-hooks": hooks },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      ...hooks.configs.recommended.rules,
      "@typescript-eslint/consistent-type-definitions": ["error", "interface"],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // Readers of foreign rows take the type that the caller expects.
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      "max-lines": ["error", 600],
      "no-console": "error",
      eqeqeq: "error",
    },
  },
);
