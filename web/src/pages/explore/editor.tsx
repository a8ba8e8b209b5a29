import { autocompletion, closeBrackets, completionKeymap } from "@codemirror/autocomplete";
import { PostgreSQL, sql } from "@codemirror/lang-sql";
import { bracketMatching } from "@codemirror/language";
import { Compartment, Prec } from "@codemirror/state";
import { type EditorView, keymap, placeholder } from "@codemirror/view";
import { useEffect, useMemo, useRef } from "react";
import type { components } from "@/api/schema";
import { CodeEditor } from "@/ui/code-editor";

type QueryTable = components["schemas"]["QueryTable"];

/** An editor of SQL that knows the tables. Ctrl+Enter runs. */
export default function Editor({
  value,
  onChange,
  onRun,
  tables,
  label,
  hint,
  insert,
}: {
  value: string;
  onChange: (text: string) => void;
  onRun: () => void;
  tables: QueryTable[];
  label: string;
  hint: string;
  /** Takes a function that writes where the cursor is. */
  insert: (write: (text: string) => void) => void;
}) {
  const view = useRef<EditorView>(null);
  const language = useRef(new Compartment());
  const told = useRef(onRun);
  told.current = onRun;
  const extensions = useMemo(() => {
    const ran = () => {
      told.current();
      return true;
    };
    return [
      Prec.highest(keymap.of([{ key: "Mod-Enter", run: ran }])),
      bracketMatching(),
      closeBrackets(),
      autocompletion(),
      keymap.of(completionKeymap),
      language.current.of(sql({ dialect: PostgreSQL })),
      placeholder(hint),
    ];
  }, [hint]);

  useEffect(() => {
    const schema = Object.fromEntries(tables.map((table) => [table.name, table.columns.map((column) => column.name)]));
    view.current?.dispatch({ effects: language.current.reconfigure(sql({ dialect: PostgreSQL, schema })) });
  }, [tables]);

  return (
    <CodeEditor
      value={value}
      onChange={onChange}
      label={label}
      extensions={extensions}
      onMade={(made) => {
        view.current = made;
        insert((text) => {
          made.dispatch(made.state.replaceSelection(text));
          made.focus();
        });
      }}
    />
  );
}
