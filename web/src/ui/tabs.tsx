import { useRef } from "react";
import { NavLink } from "react-router";
import { classes } from "@/ui/classes";
import { Sideways } from "@/ui/sideways";

/** Views of one page, each with an address of its own. */
export function Tabs({ label, tabs }: { label: string; tabs: { to: string; text: string; end?: boolean }[] }) {
  const ref = useRef<HTMLElement>(null);
  return (
    <Sideways scroller={ref}>
      <nav ref={ref} aria-label={label} className="flex gap-1 overflow-x-auto overflow-y-hidden border-b border-line">
        {tabs.map(({ to, text, end }) => (
          <NavLink
            key={to}
            to={to}
            end={end}
            className={({ isActive }) =>
              classes(
                "-mb-px border-b-2 px-3 py-2 font-medium whitespace-nowrap",
                isActive ? "border-accent text-ink" : "border-transparent text-muted hover:text-ink",
              )
            }
          >
            {text}
          </NavLink>
        ))}
      </nav>
    </Sideways>
  );
}
