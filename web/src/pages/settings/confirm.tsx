import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { ProblemNote } from "@/ui/problem-note";

/** Asks before something that cannot be taken back. */
export function Confirm({
  title,
  open,
  action,
  busy,
  error,
  onConfirm,
  onClose,
  children,
}: {
  title: string;
  open: boolean;
  action: string;
  busy: boolean;
  error: unknown;
  onConfirm: () => void;
  onClose: () => void;
  children: ReactNode;
}) {
  const { t } = useTranslation();
  return (
    <Dialog
      title={title}
      open={open}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("dialog.cancel")}</Button>
          <Button kind="danger" busy={busy} onClick={onConfirm}>
            {action}
          </Button>
        </>
      }
    >
      <div className="space-y-3">
        <div>{children}</div>
        {!!error && <ProblemNote error={error} />}
      </div>
    </Dialog>
  );
}
