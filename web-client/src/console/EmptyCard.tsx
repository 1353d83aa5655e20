import { Empty } from "antd";

type Props = { title: string; text: string; testid: string };

/** In place of a list that has nothing in it. */
export function EmptyCard({ title, text, testid }: Props) {
  return (
    <section className="card">
      <Empty
        data-testid={testid}
        image={Empty.PRESENTED_IMAGE_SIMPLE}
        description={
          <>
            <strong>{title}</strong>
            <br />
            {text}
          </>
        }
      />
    </section>
  );
}
