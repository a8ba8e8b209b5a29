import { createRoot } from "react-dom/client";
import { App } from "@/app/app";
import { startEarly } from "@/app/early";
import { isLost, recoverLostFiles } from "@/app/lost-files";
import "@/i18n/setup";
import "./styles.css";

recoverLostFiles();
startEarly();
// A link that logs in, opened where the page is open already: browsers load nothing for that.
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#code=")) location.reload();
});
const root = document.getElementById("root");
if (root) {
  createRoot(root, {
    onCaughtError: (error) => {
      if (!isLost()) console.error(error);
    },
  }).render(<App />);
}
