import { useMutation, useQuery } from "@tanstack/react-query";
import { GraduationCap } from "lucide-react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { Button } from "@/ui/button";
import { ProblemNote } from "@/ui/problem-note";
import type { Draft } from "./draft";

/** Jobs with their data, for who has none yet. */
export function Examples({ draft }: { draft: Draft }) {
  const { t } = useTranslation("start");
  const known = useQuery({
    queryKey: ["examples"],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: () => ok(api.GET("/api/v1/examples")),
  });
  const begin = useMutation({
    mutationFn: async (example: string) => {
      const { upload_id } = await ok(api.POST("/api/v1/uploads", { body: { name: example, example } }));
      const params = { path: { upload_id } };
      const contents = await ok(api.GET("/api/v1/uploads/{upload_id}/contents", { params }));
      draft.setUpload(upload_id);
      draft.setText(contents.text ?? "");
    },
  });
  return (
    <div className="mt-4 space-y-3 border-t border-line pt-4">
      {known.data?.map((example) => (
        <div key={example} className="flex flex-wrap items-center gap-3">
          <Button busy={begin.isPending} onClick={() => begin.mutate(example)}>
            <GraduationCap aria-hidden className="size-4" />
            {t("example.begin", { example })}
          </Button>
          <p className="text-muted">{t(`example.${example}`, "")}</p>
        </div>
      ))}
      {begin.error && <ProblemNote error={begin.error} />}
    </div>
  );
}
