import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { useTranslation } from "react-i18next";
import { classes } from "@/ui/classes";

/** A window before the page; the browser's own, so that focus and Escape are as they should be. */
export function Dialog({
  title,
  open,
  onClose,
  wide = false,
  children,
  actions,
}: {
  title: string;
  open: boolean;
  onClose: () => void;
  wide?: boolean;
  children: ReactNode;
  actions?: ReactNode;
}) {
  const { t } = useTranslation();
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    if (open && !ref.current?.open) ref.current?.showModal();
    if (!open && ref.current?.open) ref.current?.close();
  }, [open]);
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      onClose={onClose}
      className={classes(
        "w-[calc(100%-2rem)] rounded-lg border border-line bg-panel p-0 text-ink backdrop:bg-black/50",
        wide ? "max-w-5xl" : "max-w-lg",
      )}
    >
      {open && (
        <>
          <div className="flex items-center justify-between gap-2 border-b border-line px-4 py-3">
            <h2 id={id} className="foreign font-semibold">
              {title}
            </h2>
            <button type="button" className="rounded p-1 hover:bg-raised" onClick={onClose}>
              <X aria-hidden className="size-4" />
              <span className="sr-only">{t("dialog.close")}</span>
            </button>
          </div>
          <div className="max-h-[70dvh] overflow-auto p-4">{children}</div>
          {actions && <div className="flex justify-end gap-2 border-t border-line px-4 py-3">{actions}</div>}
        </>
      )}
    </dialog>
  );
}
