// SPDX-License-Identifier: MIT
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { watchPreferences } from "@/lib/preferences";
import { App } from "./app";
import "./styles.css";

watchPreferences();
const root = document.getElementById("root");
if (root) createRoot(root).render(<StrictMode><App /></StrictMode>);
