import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App";
import { installDebugHook } from "./debug";
import { startI18n } from "./i18n";
import "./ui/tokens.css";
import "./ui/base.css";

installDebugHook();
const root = document.getElementById("root");
if (root !== null) {
  void startI18n().then(() =>
    createRoot(root).render(
      <StrictMode>
        <App />
      </StrictMode>,
    ),
  );
}
