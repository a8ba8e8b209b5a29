import { Component, type ReactNode } from "react";
import { isLost } from "@/app/lost-files";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";

/** Keeps the navigation usable when a page fails. */
export class Boundary extends Component<{ children: ReactNode }, { error: unknown; at: string }> {
  override state = { error: null as unknown, at: "" };

  static getDerivedStateFromError(error: unknown) {
    return { error, at: location.pathname };
  }

  override componentDidUpdate() {
    if (this.state.error !== null && this.state.at !== location.pathname) this.setState({ error: null });
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return isLost() ? <Waiting /> : <ProblemNote error={this.state.error} />;
  }
}
