import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useFormat } from "@/i18n/format";
import { DownloadLink } from "@/ui/button";
import { Empty, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { type Column, Table } from "@/ui/table";
import { Waiting } from "@/ui/waiting";

interface File {
  name: string;
  bytes: number;
}

/** The results as files, one by one or all at once. */
export default function Files({ jobId }: { jobId: string }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const found = useQuery({
    queryKey: ["artefacts", jobId],
    queryFn: () => ok(api.GET("/api/v1/jobs/{job_id}/artefacts", { params: { path: { job_id: jobId } } })),
  });
  if (found.error) return <ProblemNote error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Waiting />;
  const base = `/api/v1/jobs/${jobId}/artefacts`;
  const main = found.data.filter((file) => !file.name.startsWith("samples"));
  if (main.length === 0) return <Empty title={t("files.none")} />;
  const size = (files: File[]) => format.bytes(files.reduce((sum, file) => sum + file.bytes, 0));
  const columns: Column<File>[] = [
    {
      key: "name",
      header: t("files.name"),
      width: "minmax(14rem, 3fr)",
      cell: (file) => (
        <a
          className="foreign text-accent hover:underline"
          href={`${base}/${file.name.split("/").map(encodeURIComponent).join("/")}`}
          target="_blank"
          rel="noopener"
        >
          {file.name}
        </a>
      ),
    },
    { key: "bytes", header: t("files.size"), width: "8rem", numeric: true, cell: (file) => format.bytes(file.bytes) },
  ];
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap gap-2">
        <DownloadLink kind="primary" href={`${base}.zip`} download>
          <Download aria-hidden className="size-4" />
          {t("files.zip", { size: size(main) })}
        </DownloadLink>
        {main.length < found.data.length && (
          <DownloadLink href={`${base}.zip?samples=true`} download>
            <Download aria-hidden className="size-4" />
            {t("files.zipSamples", { size: size(found.data) })}
          </DownloadLink>
        )}
        {main.some((file) => file.name === "report.html") && (
          <DownloadLink href={`${base}/report.html`} target="_blank" rel="noopener">
            {t("files.report")}
          </DownloadLink>
        )}
      </div>
      <Panel flush title={t("files.title")}>
        <Table label={t("files.title")} columns={columns} rows={main} rowKey={(file) => file.name} />
      </Panel>
    </div>
  );
}
