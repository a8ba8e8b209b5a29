import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { syntaxHighlighting } from "@codemirror/language";
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView, keymap, lineNumbers } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import { pageNonce } from "@/ui/nonce";

const LOOKS = EditorView.theme({
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
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--accent-ink)" },
  ".cm-placeholder": { color: "var(--muted)" },
  ".tok-keyword, .tok-propertyName": { color: "var(--accent)", fontWeight: "600" },
  ".tok-string, .tok-string2": { color: "var(--good)" },
  ".tok-number, .tok-bool, .tok-atom": { color: "var(--info)" },
  ".tok-comment": { color: "var(--muted)", fontStyle: "italic" },
});

/** What is typed over a selection: the browser would keep looks of the old text in styles that the policy forbids. */
function typedOver(event: InputEvent, view: EditorView): boolean {
  const text = event.data;
  if (event.inputType !== "insertText" || !text || view.composing || view.state.selection.main.empty) return false;
  event.preventDefault();
  view.dispatch(view.state.replaceSelection(text), { userEvent: "input.type", scrollIntoView: true });
  return true;
}

/**
 * An editor of code under the page's policy, in its colours. Escape, then Tab leaves it.
 * @param extensions Its language and what else it can do; those of the first rendering count.
 * @param onMade Takes the view when it is there.
 */
export function CodeEditor({
  value,
  onChange,
  label,
  extensions,
  onMade,
}: {
  value: string;
  onChange: (text: string) => void;
  label: string;
  extensions: Extension[];
  onMade?: (view: EditorView) => void;
}) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const told = useRef(onChange);
  told.current = onChange;
  const first = useRef({ value, label, extensions, onMade });

  useEffect(() => {
    if (!place.current) return;
    const made = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: first.current.value,
        extensions: [
          EditorView.cspNonce.of(pageNonce()),
          first.current.extensions,
          lineNumbers(),
          history(),
          keymap.of([...historyKeymap, ...defaultKeymap]),
          syntaxHighlighting(classHighlighter),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": first.current.label }),
          EditorView.domEventHandlers({ beforeinput: typedOver }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) told.current(update.state.doc.toString());
          }),
          LOOKS,
        ],
      }),
    });
    view.current = made;
    first.current.onMade?.(made);
    return () => made.destroy();
  }, []);

  useEffect(() => {
    const made = view.current;
    if (made && made.state.doc.toString() !== value)
      made.dispatch({ changes: { from: 0, to: made.state.doc.length, insert: value } });
  }, [value]);

  return <div ref={place} className="overflow-hidden rounded-md border border-line focus-within:border-accent" />;
}
