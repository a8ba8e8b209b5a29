import { ChevronDown, X } from "lucide-react";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { classes } from "@/ui/classes";
import type { Control } from "@/ui/field";
import { Visible } from "@/ui/foreign-text";

export interface Option {
  value: string;
  /** What is shown of it; the value itself by default. */
  text?: string;
}

/** Options that a list shows; typing finds the others. */
const MOST = 100;

/**
 * A field that offers what there is, found by typing. What is typed counts too, where `free`.
 * @param several Values with spaces between them; a choice adds one.
 */
export function Combobox({
  control,
  value,
  onChange,
  options,
  placeholder,
  free = false,
  several = false,
}: {
  control: Control;
  value: string;
  onChange: (value: string) => void;
  options: readonly Option[];
  placeholder?: string;
  free?: boolean;
  several?: boolean;
}) {
  const { t } = useTranslation();
  const list = useId();
  const [open, setOpen] = useState(false);
  // What is typed and not chosen yet; null: nothing.
  const [typed, setTyped] = useState<string | null>(null);
  const [at, setAt] = useState(-1);
  const box = useRef<HTMLDivElement>(null);
  const popup = useRef<HTMLDivElement>(null);
  const shown = typed ?? (several ? value : textOf(options, value));
  const wanted = typed === null ? "" : (several ? (typed.split(/\s+/).at(-1) ?? "") : typed).toLowerCase();
  const chosen = new Set(several ? value.split(/\s+/) : [value]);
  const found = options.filter(
    (each) => (each.text ?? each.value).toLowerCase().includes(wanted) || each.value.toLowerCase().includes(wanted),
  );
  const offered = found.slice(0, MOST);
  // What is typed is the only one: the list would say nothing, and lie over what is below.
  const settled = typed !== null && found.length === 1 && textOf(found, found[0]?.value ?? "") === typed;
  const shows = open && !settled;

  useEffect(() => {
    const element = popup.current;
    const anchor = box.current;
    if (!shows || !element || !anchor) return;
    // Above everything else: panels cut off what reaches out of them.
    element.showPopover?.();
    const place = () => {
      const { left, top, bottom, width } = anchor.getBoundingClientRect();
      const below = innerHeight - bottom;
      const up = below < 200 && top > below;
      element.style.left = `${left}px`;
      element.style.width = `${width}px`;
      element.style.top = up ? "auto" : `${bottom + 2}px`;
      element.style.bottom = up ? `${innerHeight - top + 2}px` : "auto";
      element.style.maxHeight = `${Math.min(320, (up ? top : below) - 8)}px`;
    };
    place();
    addEventListener("scroll", place, true);
    addEventListener("resize", place);
    return () => {
      removeEventListener("scroll", place, true);
      removeEventListener("resize", place);
    };
  }, [shows]);
  useEffect(() => {
    if (open && at >= 0) popup.current?.querySelector("[data-at=true]")?.scrollIntoView?.({ block: "nearest" });
  }, [open, at]);

  const close = () => {
    setOpen(false);
    setAt(-1);
  };
  const choose = (option: Option) => {
    const before = typed === null ? value : typed.replace(/\S*$/, "");
    onChange(several ? [...new Set([...before.split(/\s+/), option.value])].filter(Boolean).join(" ") : option.value);
    setTyped(null);
    close();
  };
  const type = (text: string) => {
    setTyped(text);
    setOpen(true);
    setAt(-1);
    const same = options.find((each) => (each.text ?? each.value) === text);
    if (free || several || text === "") onChange(text);
    else if (same) onChange(same.value);
  };
  const leave = () => {
    // What is none of the options does not count: what counted before is shown again.
    setTyped(null);
    close();
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) setOpen(true);
      const step = event.key === "ArrowDown" ? 1 : -1;
      const next = at + step;
      setAt(next < 0 ? offered.length - 1 : next % Math.max(1, offered.length));
    } else if (event.key === "Enter" && open) {
      const option =
        at >= 0 ? offered[at] : !free && !several && wanted && offered.length === 1 ? offered[0] : undefined;
      if (option) {
        event.preventDefault();
        choose(option);
      } else close();
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  };
  return (
    <div ref={box} className="relative">
      <input
        {...control}
        className={classes(control.className, shown === "" ? "pr-9" : "pr-16")}
        role="combobox"
        aria-expanded={shows}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={shows && at >= 0 ? `${list}-${at}` : undefined}
        value={shown}
        placeholder={placeholder}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => type(event.target.value)}
        onClick={() => setOpen(true)}
        onKeyDown={press}
        onBlur={leave}
      />
      <span className="absolute inset-y-0 right-1 flex items-center">
        {shown !== "" && (
          <button
            type="button"
            tabIndex={-1}
            className="rounded p-1 text-muted hover:text-ink"
            aria-label={t("combobox.clear")}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => {
              onChange("");
              setTyped(null);
            }}
          >
            <X aria-hidden className="size-4" />
          </button>
        )}
        <button
          type="button"
          tabIndex={-1}
          className="rounded p-1 text-muted hover:text-ink"
          aria-label={t("combobox.open")}
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => {
            box.current?.querySelector("input")?.focus();
            setOpen(!open);
          }}
        >
          <ChevronDown aria-hidden className="size-4" />
        </button>
      </span>
      {shows && (
        // biome-ignore lint/a11y/noStaticElementInteractions: the field keeps the keyboard, whatever is pressed here
        <div
          ref={popup}
          popover="manual"
          className="fixed m-0 overflow-auto rounded-md border border-line bg-panel p-1 text-ink shadow-lg"
          // The field keeps the keyboard while a choice is pressed, or the list is scrolled.
          onMouseDown={(event) => event.preventDefault()}
        >
          <div id={list} role="listbox" tabIndex={-1}>
            {offered.map((each, place) => (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the keyboard
              <div
                key={each.value}
                id={`${list}-${place}`}
                role="option"
                tabIndex={-1}
                aria-selected={chosen.has(each.value)}
                data-at={place === at}
                className={classes(
                  "cursor-pointer rounded px-2 py-1.5 wrap-anywhere hover:bg-raised",
                  place === at && "bg-raised",
                  chosen.has(each.value) && "font-semibold",
                )}
                onClick={() => choose(each)}
              >
                <Visible text={each.text ?? each.value} />
              </div>
            ))}
          </div>
          {offered.length === 0 && <p className="px-2 py-1.5 text-muted">{t("combobox.none")}</p>}
          {found.length > MOST && (
            <p className="px-2 py-1.5 text-xs text-muted">{t("combobox.more", { left: found.length - MOST })}</p>
          )}
        </div>
      )}
    </div>
  );
}

const textOf = (options: readonly Option[], value: string) =>
  options.find((each) => each.value === value)?.text ?? value;
