import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";

/** A secret that was just made: the one time that it is shown. */
export function SecretDialog({
  title,
  secret,
  onClose,
}: {
  title: string;
  secret: string | null;
  onClose: () => void;
}) {
  const { t } = useTranslation("settings");
  const [copied, setCopied] = useState<string | null>(null);
  const done = copied !== null && copied === secret;
  const copy = () => {
    if (secret)
      void navigator.clipboard.writeText(secret).then(
        () => setCopied(secret),
        () => setCopied(null),
      );
  };
  return (
    <Dialog
      title={title}
      open={secret !== null}
      onClose={onClose}
      actions={
        <>
          <Button onClick={copy}>
            {done ? <Check aria-hidden className="size-4" /> : <Copy aria-hidden className="size-4" />}
            {done ? t("secret.copied") : t("secret.copy")}
          </Button>
          <Button kind="primary" onClick={onClose}>
            {t("secret.done")}
          </Button>
        </>
      }
    >
      <p className="mb-3">{t("secret.once")}</p>
      <output className="block rounded-md border border-line bg-ground p-3 font-mono break-all select-all">
        {secret}
      </output>
    </Dialog>
  );
}
