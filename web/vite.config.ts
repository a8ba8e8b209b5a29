import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The API serves what is built; while developing, `npm run dev` passes requests on to a running one.
const api = process.env.VHB_API ?? "http://127.0.0.1:8477";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  // Filled in by the service for each response: the policy of the page allows no other inline styles.
  html: { cspNonce: "VHB-NONCE" },
  build: {
    outDir: "../services/api/src/vhb_api/page",
    emptyOutDir: true,
    sourcemap: false,
    target: "es2022",
    // Nothing as data: addresses, which the policy does not allow.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1600,
    // What every page uses comes in one file: each file more is a request more before the first paint.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            {
              name: "common",
              test: /\/(src\/(api|app|i18n|ui\/(?!code-editor))|node_modules\/(react|scheduler|@tanstack|lucide-react|clsx|i18next|openapi-fetch))/,
              // Charts and editors come when they are needed.
              minShareCount: 2,
            },
          ],
        },
      },
    },
    license: { fileName: "licenses.md" },
  },
  server: { proxy: { "/api": api, "/healthz": api, "/readyz": api } },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"] },
});
