import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap, lineNumbers } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import { CODE_LOOKS, pageNonce } from "@/ui/code-looks";
import type { Mistake } from "./document";

/** The job file as a text, with mistakes where they are. Escape, then Tab leaves it. */
export default function YamlEditor({
  value,
  onChange,
  mistakes,
  label,
}: {
  value: string;
  onChange: (text: string) => void;
  mistakes: Mistake[];
  label: string;
}) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const told = useRef(onChange);
  told.current = onChange;
  const first = useRef({ value, label });

  useEffect(() => {
    if (!place.current) return;
    const made = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: first.current.value,
        extensions: [
          EditorView.cspNonce.of(pageNonce()),
          lineNumbers(),
          history(),
          lintGutter(),
          keymap.of([...historyKeymap, ...defaultKeymap]),
          yaml(),
          syntaxHighlighting(classHighlighter),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": first.current.label }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) told.current(update.state.doc.toString());
          }),
          CODE_LOOKS,
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
  }, []);

  useEffect(() => {
    const made = view.current;
    if (made && made.state.doc.toString() !== value)
      made.dispatch({ changes: { from: 0, to: made.state.doc.length, insert: value } });
  }, [value]);

  useEffect(() => {
    const made = view.current;
    if (!made) return;
    const diagnostics = mistakes.flatMap((mistake): Diagnostic[] => {
      if (!mistake.line || mistake.line > made.state.doc.lines) return [];
      const line = made.state.doc.line(mistake.line);
      const from = Math.min(line.from + Math.max(0, (mistake.column ?? 1) - 1), line.to);
      return [{ from, to: line.to, severity: "error", message: mistake.message }];
    });
    made.dispatch(setDiagnostics(made.state, diagnostics));
  }, [mistakes]);

  return <div ref={place} className="overflow-hidden rounded-md border border-line focus-within:border-accent" />;
}
