import { EditorView } from "@codemirror/view";

/** What the page's policy asks of style sheets that are added while it runs. */
export function pageNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}

/** Editors in the page's colours. */
export const CODE_LOOKS = EditorView.theme({
  "&": { backgroundColor: "var(--ground)", color: "var(--ink)", fontSize: "0.8125rem" },
  "&.cm-focused": { outline: "none" },
  ".cm-content": { fontFamily: "var(--font-mono)", minHeight: "10rem", caretColor: "var(--ink)" },
  ".cm-scroller": { maxHeight: "60dvh", overflow: "auto" },
  ".cm-gutters": { backgroundColor: "var(--raised)", color: "var(--muted)", border: "none" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--accent) 30%, transparent) !important",
  },
  ".cm-tooltip": { backgroundColor: "var(--panel)", color: "var(--ink)", border: "1px solid var(--line)" },
  ".cm-placeholder": { color: "var(--muted)" },
  ".tok-keyword, .tok-propertyName": { color: "var(--accent)", fontWeight: "600" },
  ".tok-string, .tok-string2": { color: "var(--good)" },
  ".tok-number, .tok-bool, .tok-atom": { color: "var(--info)" },
  ".tok-comment": { color: "var(--muted)", fontStyle: "italic" },
});
