import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import type { components } from "@/api/schema";
import { type Role, useMay } from "@/app/session";
import { useFormat } from "@/i18n/format";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field } from "@/ui/field";
import { Visible } from "@/ui/foreign-text";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { type Column, Table } from "@/ui/table";
import { Waiting } from "@/ui/waiting";
import { Confirm } from "./confirm";
import { Frame } from "./frame";
import { SecretDialog } from "./secret";

type Token = components["schemas"]["TokenEntry"];
const ROLES: Role[] = ["viewer", "submitter", "admin"];

/** Who may use the interface. */
export default function Tokens() {
  const { t } = useTranslation("settings");
  const [asking, setAsking] = useState(false);
  return (
    <Frame
      admin
      actions={
        <Button kind="primary" onClick={() => setAsking(true)}>
          <KeyRound aria-hidden className="size-4" />
          {t("tokens.make")}
        </Button>
      }
    >
      <List />
      <Make open={asking} onClose={() => setAsking(false)} />
    </Frame>
  );
}

function List() {
  const { t } = useTranslation(["settings", "common"]);
  const format = useFormat();
  const client = useQueryClient();
  const may = useMay("admin");
  const [ending, setEnding] = useState<Token | null>(null);
  const { data, error, refetch } = useQuery({
    queryKey: ["tokens"],
    enabled: may,
    queryFn: () => ok(api.GET("/api/v1/tokens")),
  });
  const revoke = useMutation({
    mutationFn: (token: Token) =>
      ok(api.DELETE("/api/v1/tokens/{token_id}", { params: { path: { token_id: token.token_id } } })),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["tokens"] });
      setEnding(null);
    },
  });
  const columns: Column<Token>[] = [
    {
      key: "name",
      header: t("tokens.name"),
      width: "minmax(11rem, 2fr)",
      cell: (one) => (
        <span className="foreign font-medium">
          <Visible text={one.name} />
        </span>
      ),
    },
    { key: "role", header: t("tokens.role"), width: "minmax(8rem, 1fr)", cell: (one) => t(`common:role.${one.role}`) },
    {
      key: "made",
      header: t("tokens.made"),
      width: "minmax(13rem, 1fr)",
      cell: (one) => format.moment(one.created_at),
    },
    {
      key: "state",
      header: t("tokens.state"),
      width: "minmax(12rem, 1fr)",
      cell: (one) =>
        one.revoked_at ? (
          <Badge>{t("tokens.revoked", { when: format.moment(one.revoked_at) })}</Badge>
        ) : (
          <Badge tone="good">{t("tokens.valid")}</Badge>
        ),
    },
    {
      key: "end",
      header: "",
      width: "9rem",
      cell: (one) =>
        !one.revoked_at && (
          <Button
            small
            kind="danger"
            aria-label={t("tokens.revokeNamed", { name: one.name })}
            onClick={() => setEnding(one)}
          >
            {t("tokens.revoke")}
          </Button>
        ),
    },
  ];
  if (error) return <ProblemNote error={error} again={() => void refetch()} />;
  if (!data) return <Waiting />;
  return (
    <>
      <Panel flush title={t("tokens.title")}>
        <Table label={t("tokens.title")} columns={columns} rows={[...data].reverse()} rowKey={(one) => one.token_id} />
      </Panel>
      <Confirm
        title={t("tokens.revokeNamed", { name: ending?.name ?? "" })}
        open={ending !== null}
        action={t("tokens.revoke")}
        busy={revoke.isPending}
        error={revoke.error}
        onConfirm={() => ending && revoke.mutate(ending)}
        onClose={() => setEnding(null)}
      >
        {t("tokens.revokeText")}
      </Confirm>
    </>
  );
}

function Make({ open, onClose }: { open: boolean; onClose: () => void }) {
  const { t } = useTranslation(["settings", "common"]);
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const make = useMutation({
    mutationFn: () => ok(api.POST("/api/v1/tokens", { body: { name: name.trim(), role } })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["tokens"] });
      setName("");
      onClose();
    },
  });
  return (
    <>
      <Dialog title={t("tokens.make")} open={open} onClose={onClose}>
        <form
          className="space-y-4"
          onSubmit={(event) => {
            event.preventDefault();
            make.mutate();
          }}
        >
          <Field label={t("tokens.name")} hint={t("tokens.nameHint")}>
            {(control) => (
              <input
                {...control}
                required
                maxLength={100}
                value={name}
                autoComplete="off"
                onChange={(event) => setName(event.target.value)}
              />
            )}
          </Field>
          <Field label={t("tokens.role")} hint={t(`you.may.${role}`)}>
            {(control) => (
              <select {...control} value={role} onChange={(event) => setRole(event.target.value as Role)}>
                {ROLES.map((one) => (
                  <option key={one} value={one}>
                    {t(`common:role.${one}`)}
                  </option>
                ))}
              </select>
            )}
          </Field>
          {make.error && <ProblemNote error={make.error} />}
          <div className="flex justify-end gap-2">
            <Button onClick={onClose}>{t("common:dialog.cancel")}</Button>
            <Button kind="primary" type="submit" busy={make.isPending}>
              {t("tokens.make")}
            </Button>
          </div>
        </form>
      </Dialog>
      <SecretDialog
        title={t("tokens.made1", { name: make.data?.name ?? "" })}
        secret={make.data?.token ?? null}
        onClose={() => make.reset()}
      />
    </>
  );
}
