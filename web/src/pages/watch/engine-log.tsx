import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ask } from "@/api/client";
import { Button, DownloadLink } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { ForeignText } from "@/ui/foreign-text";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";
import type { Start } from "./job";

const FIRST = 20_000;

/** The last words of an engine, also when it is gone. */
export function EngineLog({ start }: { start: Start }) {
  const { t } = useTranslation("watch");
  const [open, setOpen] = useState(false);
  const address = `/api/v1/backends/${encodeURIComponent(start.backend_id)}/${start.replica}/${encodeURIComponent(start.session)}/log`;
  const found = useQuery({
    queryKey: ["engine-log", start.session],
    enabled: open,
    queryFn: async ({ signal }) => (await ask(address, { signal })).text(),
    retry: false,
  });
  const title = t("backends.logOf", { model: start.model, session: start.session });
  return (
    <>
      <Button small kind="quiet" className="ml-auto" aria-label={title} onClick={() => setOpen(true)}>
        {t("backends.log")}
      </Button>
      <Dialog
        wide
        title={title}
        open={open}
        onClose={() => setOpen(false)}
        actions={
          found.data !== undefined && (
            <DownloadLink href={address} download={`${start.model}-${start.session}.log`}>
              {t("backends.download")}
            </DownloadLink>
          )
        }
      >
        {found.data !== undefined ? (
          <ForeignText mono text={found.data.slice(-FIRST)} first={FIRST} />
        ) : found.error ? (
          <ProblemNote error={found.error} />
        ) : (
          <Waiting />
        )}
      </Dialog>
    </>
  );
}
