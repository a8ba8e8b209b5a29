import { yaml } from "@codemirror/lang-yaml";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import type { EditorView } from "@codemirror/view";
import { useEffect, useRef } from "react";
import { CodeEditor } from "@/ui/code-editor";
import type { Mistake } from "./document";

const EXTENSIONS = [lintGutter(), yaml()];

/** The job file as a text, with mistakes where they are. */
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
  const view = useRef<EditorView>(null);

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

  return (
    <CodeEditor
      value={value}
      onChange={onChange}
      label={label}
      extensions={EXTENSIONS}
      onMade={(made) => {
        view.current = made;
      }}
    />
  );
}
