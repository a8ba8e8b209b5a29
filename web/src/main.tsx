import { createRoot } from "react-dom/client";
import { App } from "@/app/app";
import { isLost, recoverLostFiles } from "@/app/lost-files";
import "@/i18n/setup";
import "./styles.css";

recoverLostFiles();
const root = document.getElementById("root");
if (root) {
  createRoot(root, {
    onCaughtError: (error) => {
      if (!isLost()) console.error(error);
    },
  }).render(<App />);
}
