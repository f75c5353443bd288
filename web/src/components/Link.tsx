import { Anchor, Button, type AnchorProps, type ButtonProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import { forwardRef, type AnchorHTMLAttributes } from "react";

const PlainAnchor = forwardRef<
  HTMLAnchorElement,
  AnchorProps & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof AnchorProps>
>(function PlainAnchor(props, ref) {
  return <Anchor ref={ref} {...props} />;
});
const PlainButton = forwardRef<
  HTMLAnchorElement,
  ButtonProps & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof ButtonProps>
>(function PlainButton(props, ref) {
  return <Button ref={ref} component="a" {...props} />;
});

/** A link within the page. */
export const Link = createLink(PlainAnchor);
/** The same, drawn as a button. */
export const LinkButton = createLink(PlainButton);
